import torch

from segx.models.heads import ClassificationHead, SegmentationHead
from tests.models.narrow import unlearnt


def test_the_mask_head_keeps_the_size() -> None:
    assert SegmentationHead(16, 3)(torch.rand(2, 16, 5, 7)).shape == (2, 3, 5, 7)


def test_the_classifier_is_pool_dense_relu_dropout_logits() -> None:
    head = ClassificationHead(96, 4, hidden=256, dropout=0.3)
    feature = torch.rand(2, 96, 3, 5)
    head.eval()
    first, _, dropout, last = head.layers
    hidden = torch.relu(first(feature.mean(dim=(2, 3))))
    assert hidden.shape == (2, 256)
    assert dropout.p == 0.3
    torch.testing.assert_close(head(feature), last(hidden))


def test_heads_drop_in_training_only_and_learn_everywhere() -> None:
    heads = SegmentationHead(16, 2, dropout=0.5), ClassificationHead(16, 2, dropout=0.5)
    for head in heads:
        given = torch.rand(4, 16, 6, 6)
        head.train()
        assert not torch.equal(head(given), head(given))
        head(given).square().sum().backward()
        assert unlearnt(head) == []
        head.eval()
        assert torch.equal(head(given), head(given))
