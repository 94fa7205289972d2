"""What a run is told: a typed schema, read from YAML and the command line."""

from segx.config.advice import Advice, advised_config, commented_yaml, with_given
from segx.config.names import class_named, did_you_mean, typed_options
from segx.config.reading import (
    ConfigKey,
    check_config,
    config_keys,
    dump_yaml,
    find_config,
    parse_overrides,
    parse_yaml,
    read_config,
    stock_configs,
)
from segx.config.schema import (
    AugmentConfig,
    Choice,
    CleaningConfig,
    ColumnsConfig,
    DataConfig,
    EncoderConfig,
    FitConfig,
    HeadConfig,
    InferenceConfig,
    ModelConfig,
    TrainingConfig,
)

__all__ = [
    "Advice",
    "AugmentConfig",
    "Choice",
    "CleaningConfig",
    "ColumnsConfig",
    "ConfigKey",
    "DataConfig",
    "EncoderConfig",
    "FitConfig",
    "HeadConfig",
    "InferenceConfig",
    "ModelConfig",
    "TrainingConfig",
    "advised_config",
    "check_config",
    "class_named",
    "commented_yaml",
    "config_keys",
    "did_you_mean",
    "dump_yaml",
    "find_config",
    "parse_overrides",
    "parse_yaml",
    "read_config",
    "stock_configs",
    "typed_options",
    "with_given",
]
