"""The data section of a config, chosen from a fingerprint, with the reasons."""

from segx.config import Advice, DataConfig
from segx.data.fingerprint import Fingerprint
from segx.data.modality import Guess, guess_modality, is_upright
from segx.data.planes import SMALL_PLANE_PX, scaled
from segx.geometry import Extent

__all__ = [
    "advise_axis",
    "advise_data",
    "choose_classified_size",
    "choose_crop",
    "choose_foreground_share",
    "choose_resize",
    "choose_window",
    "percent",
]

_MULTIPLE = 32
_CROP = 192
_LARGEST_CROP = 512
_CLASSIFIED = 224
"""Longest side of the images for a classifier, in pixels."""

_STRETCH = 1.25
_COLOURLESS = 0.005
_FEWEST_TO_TEST = 50
_VALIDATED = 8
"""Fewer validation cases hardly choose a checkpoint."""

_ANISOTROPIC = 1.5
_NEAR = 3.0
"""Planes up to so many pixels apart show the same structures."""

_WINDOWS_HU = {
    "soft-tissue": (-150, 250),
    "bone": (-450, 1050),
    "lung": (-1350, 150),
}
_UNLIKE = 4
"""Images whose ranges differ by such a factor have no common unit."""

_FOREGROUND_SHARES = ((0.1, 0.33), (0.01, 0.5), (0.001, 0.67), (0.0, 0.8))
"""From which share of the rarest class on, which share of crops is put on it."""

_PRESETS = {"stain": "microscopy", "fluorescence": "microscopy"}


def advise_axis(found: Fingerprint) -> list[Advice]:
    """Along which axis volumes are cut into planes.

    The one on which voxels are longest: the planes are then seen sharp.

    Args:
        found: Taken along the first axis of the arrays.
    """
    if not found.has_volumes:
        return []
    if found.spacing_mm is None:
        return [Advice("data.axis", 0, "unsure: the spacing of the planes is unknown")]
    spacing = found.spacing_mm
    voxels = f"voxels of {'x'.join(f'{mm:.3g}' for mm in spacing)} mm"
    if max(spacing) < _ANISOTROPIC * min(spacing):
        why = f"{voxels} are about equal on each axis: any would do"
        return [Advice("data.axis", 0, why)]
    axis = spacing.index(max(spacing))
    return [Advice("data.axis", axis, f"{voxels} are longest there: planes are sharp")]


def advise_data(found: Fingerprint) -> list[Advice]:
    """What the data section should say, the axis apart: see `advise_axis`."""
    guess = guess_modality(found)
    return [
        *_classes(found),
        _channels(found),
        *_neighbours(found),
        *_splits(found),
        *_scale(found, guess),
        *_sizes(found),
        _augmentation(found, guess),
    ]


def choose_resize(found: Fingerprint) -> Extent | None:
    """The size that all images are given before they are cut; None: their own.

    Small ones are enlarged, for an encoder halves five times. Where objects are so
    thick that the largest crop would see no edge of them, images are reduced until
    twice the thickness fits in a crop.
    """
    median, thickness = found.median_size, found.thickness_px or 0.0
    enlargement = SMALL_PLANE_PX / max(median.rows, median.cols)
    if enlargement > 1:
        return scaled(median, enlargement)
    if 2 * thickness > _LARGEST_CROP:
        return scaled(median, _CROP / (2 * thickness))
    return None


def choose_crop(found: Fingerprint) -> Extent:
    """A crop that an encoder can halve five times, and that images can fill.

    192 px, or twice the thickness of the objects if that is more.
    """
    resize = choose_resize(found)
    if resize is not None and resize.pixels <= _CROP**2:
        return Extent(min(resize.rows, _LARGEST_CROP), min(resize.cols, _LARGEST_CROP))
    if resize is not None:
        return Extent(min(resize.rows, _CROP), min(resize.cols, _CROP))
    wanted = -(-2 * (found.thickness_px or 0.0) // _MULTIPLE) * _MULTIPLE
    side = min(max(_CROP, int(wanted)), _LARGEST_CROP)
    median = found.median_size
    return Extent(_filled(side, median.rows), _filled(side, median.cols))


def choose_classified_size(found: Fingerprint) -> Extent:
    """The size of the images for a classifier, at about their proportions."""
    median = found.median_size
    longest = max(median.rows, median.cols)
    wanted = min(max(longest, SMALL_PLANE_PX), _CLASSIFIED)
    return scaled(median, wanted / longest)


def choose_foreground_share(rarest: float) -> float:
    """Share of the crops to put on foreground; the rarer it is, the more.

    Args:
        rarest: Share of the pixels of the rarest class, in [0, 1].

    Examples:
        >>> [choose_foreground_share(rarest) for rarest in (0.3, 0.05, 0.002, 0.0)]
        [0.33, 0.5, 0.67, 0.8]
    """
    return next(share for least, share in _FOREGROUND_SHARES if rarest >= least)


def choose_window(found: Fingerprint) -> tuple[str, tuple[float, float]]:
    """The narrowest usual window, in HU, that holds the objects; or all values.

    Returns:
        What it is called, and the values that become 0 and 1.
    """
    if found.foreground is not None:
        low, high = found.foreground
        for name, window in _WINDOWS_HU.items():
            if window[0] <= low and high <= window[1]:
                return name, window
    return "whole", (found.low, found.high)


def percent(share: float) -> str:
    """A share for people.

    Examples:
        >>> percent(0.1234), percent(0.000567), percent(1e-8)
        ('12 %', '0.057 %', '<0.0001 %')
    """
    if 0 < share < 1e-6:
        return "<0.0001 %"
    return f"{100 * share:.0f} %" if share >= 0.1 else f"{100 * share:.2g} %"


def _filled(side: int, length: int) -> int:
    """The largest multiple of 32 within a side that an image's own side fills."""
    return max(_MULTIPLE, min(side, length // _MULTIPLE * _MULTIPLE))


def _classes(found: Fingerprint) -> list[Advice]:
    named = list(found.class_names)
    shares = ", ".join(percent(found.class_fractions[name]) for name in named)
    if found.labels is None:
        return [Advice("data.classes", named, f"{shares} of the training images")]
    kinds = {
        "binary": "0 and one other value",
        "multiclass": f"{len(named)} ids",
        "multilabel": "a plane for each class: they may overlap",
    }
    kind = found.labels.kind
    numbered = any(name.startswith("class_") for name in named)
    rename = "; rename them, in this order" if numbered else ""
    return [
        Advice("data.mask_kind", kind, f"masks hold {kinds[kind]}"),
        Advice("data.classes", named, f"{shares} of the training pixels{rename}"),
    ]


def _channels(found: Fingerprint) -> Advice:
    meaning = {1: "grey", 3: "RGB"}.get(found.channels, "as stored")
    if found.colour is not None and found.colour < _COLOURLESS:
        meaning = "RGB, but as good as grey: 1 would do if all images are"
    return Advice("data.channels", found.channels, f"{found.dtype}, {meaning}")


def _neighbours(found: Fingerprint) -> list[Advice]:
    """Whether the planes on each side help to read one."""
    if not found.has_volumes:
        return []
    if found.spacing_mm is None:
        return [Advice("data.neighbours", 0, "unsure: how far apart planes are")]
    apart = found.spacing_mm[0] / min(found.spacing_mm[1:])
    near = apart <= _NEAR
    beside = "look alike: 2.5D" if near else "tell little of each other"
    return [
        Advice(
            "data.neighbours",
            int(near),
            f"on each side of a plane: planes are {apart:.2g} px apart and {beside}",
        )
    ]


def _splits(found: Fingerprint) -> list[Advice]:
    """Shares to hold out, where the data set itself holds out nothing."""
    count = found.cases["train"]
    advice = []
    patients = (
        "no patient is split"
        if found.has_patients
        else "unsure if some are of one patient: then say data.patient_pattern"
    )
    if not found.cases["val"]:
        usual: float = DataConfig.model_fields["validation_split"].default
        share = round(min(0.25, max(usual, _VALIDATED / count)), 2)
        few = share * count < _VALIDATED - 1
        reason = f"share of {'only ' if few else ''}{count} cases; {patients}"
        if share > usual:
            reason += f"; above the usual {usual:g}, for fewer hardly choose well"
        advice.append(Advice("data.validation_split", share, reason))
    if not found.cases["test"]:
        enough = count >= _FEWEST_TO_TEST
        reason = f"no test cases are given, and {count} are "
        reason += "enough to hold some out" if enough else "too few to hold some out"
        advice.append(Advice("data.test_split", 0.2 if enough else 0.0, reason))
    return advice


def _scale(found: Fingerprint, guess: Guess) -> list[Advice]:
    """How stored values become 0 … 1."""
    if guess.modality == "ct":
        name, window = choose_window(found)
        reason = f"{guess}, {guess.sign}: the {name} window"
        if found.foreground is not None:
            low, high = found.foreground
            reason += f" holds the objects ({low:.0f} to {high:.0f})"
        return [Advice("data.window", list(window), reason)]
    how, reason = _measured_scale(found, guess)
    return [Advice("data.intensity", how, reason)]


def _measured_scale(found: Fingerprint, guess: Guess) -> tuple[str, str]:
    if found.has_volumes:
        return "scan_zscore", f"{guess}: each by its own mean and deviation"
    reach = f"99 % of the values are {found.reach}"
    if found.dtype == "uint8":
        covered = (found.high - found.low) / 255
        if covered >= 0.5:
            return "range", f"0 to 255: {reach}"
        return "percentile", f"{reach}, far less than 0 to 255"
    if found.scale_ratio > _UNLIKE:
        return (
            "scan_percentile",
            f"ranges of images differ {found.scale_ratio:.0f} times: no common unit",
        )
    return "percentile", f"{found.dtype}: {reach}"


def _sizes(found: Fingerprint) -> list[Advice]:
    """What images are resized to, and what is cut from them."""
    median = found.median_size
    if found.task == "classification":
        size = choose_classified_size(found)
        reason = f"images have {median} px (median){_stretch(found)}"
        return [
            Advice("data.resize", [size.rows, size.cols], reason),
            Advice("data.crop", None, "a class is of the whole image"),
        ]
    resize, crop = choose_resize(found), choose_crop(found)
    thick = f"objects are up to {found.thickness_px or 0:.0f} px thick"
    images = f"images have {median} px (median)"
    advice = []
    if resize is not None:
        reason = f"{images}: too small for an encoder that halves five times"
        if resize.pixels < median.pixels:
            reason = f"{images}, {thick}: a crop would see no edge of them"
        reason += f"{_stretch(found)}; results have the images' own size"
        advice.append(Advice("data.resize", [resize.rows, resize.cols], reason))
    whole = resize == crop
    reason = "whole images" if whole else f"{images}, {thick}"
    advice.append(Advice("data.crop", [crop.rows, crop.cols], reason))
    if not whole:
        share = choose_foreground_share(found.rarest)
        rarest = percent(found.rarest)
        reason = f"share of crops put on objects; the rarest has {rarest}"
        advice.append(Advice("data.foreground_share", share, reason))
    return advice


def _stretch(found: Fingerprint) -> str:
    """A word on images of other proportions than the rest."""
    aspects = [size.rows / size.cols for size in found.sizes]
    most = max(aspects) / min(aspects)
    return f"; some are stretched, up to {most:.1f} times" if most > _STRETCH else ""


def _augmentation(found: Fingerprint, guess: Guess) -> Advice:
    """A preset by the way that images are held, then by what they are."""
    preset = _PRESETS.get(guess.modality, "standard")
    reason = f"{guess}; no way up was found; light was better in minutes of training"
    if is_upright(found):
        preset, reason = "radiograph", f"{guess}; all are held one way up"
    if found.upright is None:
        reason = f"{guess}; unsure: too few images to tell if they have a way up"
    return Advice("data.augment.preset", preset, reason)
