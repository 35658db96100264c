"""ST-GCN: its graph is partitioned as the paper says, information moves along bones, sizes are as published."""

import pytest
import torch
from torch import Tensor, nn

from gymqa.errors import GymQAError
from gymqa.frames.skeletons import SKELETONS, Skeleton
from recognizers.backbones.stgcn import BLOCKS, STGCN, Block, GraphConv, STGCNConfig, partitioned_adjacency
from recognizers.factory import create_model
from tests.helpers.naming import naming

CHAIN = Skeleton("chain", ("a", "b", "c", "d"), (("a", "b"), ("b", "c"), ("c", "d")), "b")
SMALL = STGCNConfig(n_frames=8, width=4, skeleton="gymsim15", n_classes=5, head_dropout=0.0, dropout=0.0)


def built(config: STGCNConfig = SMALL) -> STGCN:
    torch.manual_seed(0)
    model = STGCN(config)
    for module in model.modules():  # as after a training: batch norms with means and spreads of their own
        if isinstance(module, nn.BatchNorm1d | nn.BatchNorm2d):
            assert module.running_mean is not None and module.running_var is not None
            module.running_mean.normal_(0, 0.1)
            module.running_var.uniform_(0.5, 1.5)
    return model.eval()


def poses(config: STGCNConfig = SMALL) -> Tensor:
    return torch.rand(2, *config.input_shape, generator=torch.Generator().manual_seed(1)) * 2 - 1


def test_a_chain_is_partitioned_as_by_hand() -> None:
    """Column: who receives. b is the centre; a and c are a bone away, d is two."""
    itself = torch.diag(torch.tensor([1 / 2, 1 / 3, 1 / 3, 1 / 2]))
    nearer = torch.tensor([[0, 0, 0, 0], [1 / 2, 0, 1 / 3, 0], [0, 0, 0, 1 / 2], [0, 0, 0, 0]])
    farther = torch.tensor([[0, 1 / 3, 0, 0], [0, 0, 0, 0], [0, 1 / 3, 0, 0], [0, 0, 1 / 3, 0]])
    torch.testing.assert_close(partitioned_adjacency(CHAIN), torch.stack([itself, nearer, farther]))


@pytest.mark.parametrize("name", SKELETONS)
def test_every_joint_receives_weights_that_sum_to_one_and_has_one_way_to_the_centre(name: str) -> None:
    skeleton = SKELETONS[name]
    itself, nearer, farther = partitioned_adjacency(skeleton)
    torch.testing.assert_close((itself + nearer + farther).sum(0), torch.ones(len(skeleton)))
    centre = skeleton.joints.index(skeleton.centre)
    assert torch.equal(itself > 0, torch.eye(len(skeleton)) > 0)
    assert (nearer > 0).sum(0).tolist() == [int(joint != centre) for joint in range(len(skeleton))]  # a tree
    assert torch.equal(nearer > 0, (farther > 0).T)


def test_a_graph_convolution_is_its_formula_and_does_not_care_how_joints_are_numbered() -> None:
    torch.manual_seed(0)
    layer, x, adjacency = GraphConv(2, 5, 3), torch.randn(1, 2, 3, 4), partitioned_adjacency(CHAIN)
    assert layer.conv.bias is not None
    weights, biases = layer.conv.weight.view(3, 5, 2), layer.conv.bias.view(3, 5)
    expected = torch.zeros(1, 5, 3, 4)
    for part in range(3):
        for giving in range(4):
            for receiving in range(4):
                said = torch.einsum("oc,bct->bot", weights[part], x[..., giving]) + biases[part, :, None]
                expected[..., receiving] += adjacency[part, giving, receiving] * said
    torch.testing.assert_close(layer(x, adjacency), expected)
    order = [2, 0, 3, 1]
    torch.testing.assert_close(layer(x[..., order], adjacency[:, order][:, :, order]), layer(x, adjacency)[..., order])


def reached(block: Block, adjacency: Tensor, joint: int, frame: int) -> tuple[set[int], set[int]]:
    """Joints and frames of the output that one joint of one frame has an influence on."""
    x = torch.randn(1, 3, 21, adjacency.shape[-1], generator=torch.Generator().manual_seed(2))
    moved = x.clone()
    moved[0, :, frame, joint] += 10
    _, _, frames, joints = (block(moved, adjacency) != block(x, adjacency)).nonzero(as_tuple=True)
    return set(joints.tolist()), set(frames.tolist())


def test_a_block_sees_neighbours_over_nine_frames_and_a_cut_bone_stops_it() -> None:
    torch.manual_seed(0)
    block = Block(3, 8, 9, 1, 3, 0.0, shortcut=False).eval()
    adjacency = partitioned_adjacency(CHAIN)
    assert reached(block, adjacency, joint=0, frame=10) == ({0, 1}, set(range(6, 15)))
    importance = torch.ones_like(adjacency)
    importance[:, 0, 1] = 0
    assert reached(block, adjacency * importance, joint=0, frame=10)[0] == {0}
    assert reached(block, adjacency * importance, joint=1, frame=10)[0] == {0, 1, 2}  # the other way is open


def test_the_kinetics_network_has_the_parameters_that_its_layers_sum_to() -> None:
    """The release's layers by hand: 3 × 64, …, kernels of 9 frames, 18 joints, 400 classes; 3.10 M with NTU's sizes."""

    def by_hand(joints: int, classes: int) -> int:
        total, d_in = 2 * 3 * joints, 3  # the data's batch norm
        for number, (times, stride) in enumerate(BLOCKS):
            d_out = 64 * times
            total += 3 * joints**2  # edge importance
            total += (d_in + 1) * 3 * d_out + (9 * d_out + 1) * d_out + 4 * d_out
            total += (d_in + 1) * d_out + 2 * d_out if number and (d_in, stride) != (d_out, 1) else 0
            d_in = d_out
        return total + (d_in + 1) * classes

    def counted(skeleton: str, classes: int) -> int:
        with torch.device("meta"):
            model = create_model("stgcn", skeleton=skeleton, n_classes=classes)
        return sum(parameter.numel() for parameter in model.parameters())

    assert [64 * times for times, _ in BLOCKS] == [64] * 4 + [128] * 3 + [256] * 3
    assert counted("openpose18", 400) == by_hand(18, 400) == 3_177_140
    assert counted("coco17", 60) == by_hand(17, 60) == 3_088_704  # MMAction2 says 3.1 M
    assert round(by_hand(25, 60) / 1e6, 2) == 3.10  # the release on NTU RGB+D's 25 joints


def test_shapes_gradients_and_that_time_and_place_are_seen() -> None:
    model, x = built(), poses()
    features = model.forward_features(x)
    assert features.tokens.shape == (2, SMALL.tokens, 16) and features.fused.shape == (2, 16)
    exact = built().double()
    exchanged = [1, 0, *range(2, 8)]
    for other in (x[:, exchanged], x[:, :, [1, 0, *range(2, 15)]], x * torch.tensor([1, 1, 0.5])):
        assert not torch.allclose(exact(x.double()), exact(other.double()), rtol=1e-9, atol=1e-9)
    model.train()(x).square().sum().backward()
    without = [name for name, one in model.named_parameters() if one.grad is None or not one.grad.any()]
    cancelled = ("time.2.bias", "shortcut.0.bias")  # a batch norm follows at once; the published network has them, too
    assert all(name.endswith(cancelled) for name in without)
    unlinked = built().adjacency == 0
    assert all(not one.grad[unlinked].any() for one in model.edge_importance if one.grad is not None)


@pytest.mark.parametrize("frames", [1, 5, 8, 100])
def test_a_token_is_given_for_every_moment_that_is_left(frames: int) -> None:
    config = STGCNConfig(n_frames=frames, width=2, n_classes=3)
    assert built(config).forward_features(poses(config)).tokens.shape[1] == config.tokens


def test_impossible_sizes_are_refused() -> None:
    with pytest.raises(GymQAError, match=naming("'coco'")):
        STGCNConfig(skeleton="coco")
    with pytest.raises(GymQAError, match=naming("kernel=8")):
        STGCNConfig(kernel=8)
