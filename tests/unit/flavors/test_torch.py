"""Models of PyTorch come back predicting the same. CI doesn't install it: it weighs gigabytes; run this where it is."""

from __future__ import annotations

import io
import pickle
import zipfile

import numpy as np
import pandas as pd
import pytest

import headrace as hr
from headrace.errors import InvalidInputError, UnsafeModelError
from headrace.flavors.saving import infer_signature, load_model, save_model

torch = pytest.importorskip("torch", reason="torch is large; `pip install torch safetensors` runs these tests")
pytest.importorskip("safetensors", reason="comes with the torch extra")
from unit.flavors import nets  # noqa: E402

pytestmark = pytest.mark.filterwarnings("default")  # these libraries warn of each other
RNG = np.random.default_rng(4)
FRAME = pd.DataFrame({"a": RNG.normal(size=200), "b": RNG.normal(size=200)})


def back(folder, model, example=FRAME[:3], *, serializer=None, **options):
    """The model after a round through files."""
    signature = infer_signature(model, example)
    saved = save_model(model, folder, serializer)
    told = {"flavor": saved.flavor, "serializer": saved.serializer, "details": saved.details}
    return saved, load_model(folder, **told, signature=signature, **options)


def expected(model, kind=torch.float32):
    with torch.no_grad():
        return model.eval()(torch.tensor(FRAME.to_numpy(), dtype=kind)).float().numpy()[:, 0]


def trained():
    """A network whose running means aren't those that it was made with."""
    model = nets.Net(2)
    model(torch.randn(50, 2))
    return model


def test_modules_come_back_by_their_weights(tmp_path):
    model = trained()
    saved, loaded = back(tmp_path, model)
    assert (saved.flavor, saved.serializer) == ("torch", "safetensors")
    assert np.array_equal(loaded.predict(FRAME), expected(model))
    with pytest.raises(UnsafeModelError, match="isn't a module"):
        load_model(tmp_path, flavor="torch", serializer="safetensors", details={"class": "os:system"})


def test_logging_a_model_leaves_its_training_as_it_was(tmp_path):
    model = trained()
    model.layers[1].eval()  # a part that is kept from training
    modes = [part.training for part in model.modules()]
    signature = infer_signature(model, FRAME[:3])
    save_model(model, tmp_path)
    assert [part.training for part in model.modules()] == modes
    assert [column.name for column in signature.outputs] == ["prediction"]


@pytest.mark.parametrize("kind", [torch.float16, torch.bfloat16, torch.float64])
def test_a_module_keeps_its_precision(tmp_path, kind):
    model = trained().to(kind)
    loaded = back(tmp_path, model)[1]
    assert {part.dtype for part in loaded.model.module.parameters()} == {kind}
    assert np.array_equal(loaded.predict(FRAME).astype(np.float32), expected(model, kind))


def test_what_is_put_around_a_module_is_left_out(tmp_path):
    model = trained()
    for number, wrapped in enumerate((torch.compile(model), torch.nn.DataParallel(torch.compile(model)))):
        (tmp_path / str(number)).mkdir()
        saved, loaded = back(tmp_path / str(number), wrapped)
        assert saved.details["class"] == "unit.flavors.nets:Net"
        assert np.array_equal(loaded.predict(FRAME), expected(model))


def test_a_pickled_module_predicts(tmp_path):
    model = torch.nn.Sequential(torch.nn.Linear(2, 1))
    loaded = back(tmp_path, model, serializer="pickle", allow_pickle=True)[1]
    assert np.array_equal(loaded.predict(FRAME), expected(model))
    with pytest.raises(InvalidInputError, match=r"a Sequential of PyTorch.*torch\.export.*pickle"):
        save_model(model, tmp_path)


def test_whole_numbers_are_indexes_of_a_module_that_holds_an_embedding(tmp_path):
    indexes = np.array([[1, 2], [9, 0]])
    model = nets.Words().eval()
    loaded = back(tmp_path, model, torch.tensor(indexes))[1]
    wanted = model(torch.tensor(indexes)).detach().numpy()
    for data in (indexes, torch.tensor(indexes), pd.DataFrame(indexes, columns=["0", "1"])):
        assert np.array_equal(loaded.predict(data), wanted)
    with pytest.raises(InvalidInputError, match="refuses these values"):
        loaded.predict(indexes + 1)
    whole = FRAME.round().astype(int)
    assert back(tmp_path, trained(), whole[:3])[1].predict(whole).shape == (200,)


def test_what_a_module_can_t_do_is_told(tmp_path):
    with pytest.raises(InvalidInputError, match="gives a tuple"):
        infer_signature(nets.Several(), FRAME[:3])
    with pytest.raises(InvalidInputError, match=r"refuses these values.*shape"):
        infer_signature(trained(), FRAME[["a"]])
    with pytest.raises(InvalidInputError, match=r"shape \(2, 1, 8, 8\) has no columns"):
        infer_signature(trained(), np.zeros((2, 1, 8, 8)))
    model = trained()
    model.config = {"width": object()}
    with pytest.raises(InvalidInputError, match="config of Net must be a dict of JSON values"):
        save_model(model, tmp_path)
    model.config = {"width": 3}
    with pytest.raises(InvalidInputError, match=r"(?s)a Net can't be made.*self\.config"):
        save_model(model, tmp_path)


def test_images_go_in_as_they_come_without_a_signature(tmp_path):
    saved = save_model(nets.Pictures(), tmp_path)
    loaded = load_model(tmp_path, flavor="torch", serializer="safetensors", details=saved.details)
    assert loaded.predict(np.zeros((5, 1, 8, 8))).shape == (5, 3)


def test_lightning_modules_are_made_of_their_hyperparameters(tmp_path, monkeypatch):
    pytest.importorskip("lightning", reason="`pip install lightning` runs this test")
    (tmp_path / "lightning_of_a_test.py").write_text(
        "import lightning, torch\n\nclass Line(lightning.LightningModule):\n"
        "    def __init__(self, lr=0.1, width=1):\n        super().__init__()\n        self.save_hyperparameters()\n"
        "        self.layer = torch.nn.Linear(width, 1)\n\n    def forward(self, x):\n        return self.layer(x)\n"
    )
    monkeypatch.syspath_prepend(tmp_path)
    from lightning_of_a_test import Line

    model = Line(width=2)
    (tmp_path / "saved").mkdir()
    saved, loaded = back(tmp_path / "saved", model)
    assert saved.details["config"] == {"lr": 0.1, "width": 2}
    assert np.array_equal(loaded.predict(FRAME), expected(model))


def test_models_of_transformers_are_made_of_their_configuration(tmp_path):
    transformers = pytest.importorskip("transformers", reason="`pip install transformers` runs this test")
    small = {"hidden_size": 16, "num_hidden_layers": 1, "num_attention_heads": 2, "intermediate_size": 16}
    model = transformers.BertForSequenceClassification(transformers.BertConfig(vocab_size=60, num_labels=3, **small)).eval()
    ids = np.array([[1, 5, 7], [2, 8, 0]])
    saved, loaded = back(tmp_path, model, ids)
    assert (saved.serializer, saved.details["config"]["hidden_size"]) == ("safetensors", 16)
    assert np.allclose(loaded.predict(ids), model(torch.tensor(ids)).logits.detach().numpy(), atol=1e-6)


class Bomb:
    """Runs code where it is unpickled."""

    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return open, (str(self.path), "w")


def test_exported_pytorch_programs_come_back_where_their_class_isn_t_known(tmp_path):
    torch = pytest.importorskip("torch", reason="torch is large; `pip install torch` runs this test")

    class Unknown(torch.nn.Module):
        def __init__(self):
            super().__init__()
            self.layer = torch.nn.Linear(2, 1)

        def forward(self, x):
            return torch.relu(self.layer(x))

    model, example = Unknown().eval(), torch.randn(3, 2)
    program = torch.export.export(model, (example,), dynamic_shapes=({0: torch.export.Dim("rows")},))
    saved, loaded = back(tmp_path, program, allow_pickle=True)
    assert (saved.flavor, saved.serializer) == ("torch", "torch.export")
    expected = model(torch.tensor(FRAME.to_numpy(np.float32))).detach().numpy()[:, 0]
    assert np.allclose(loaded.predict(FRAME), expected)

    options = {"flavor": "torch", "serializer": "torch.export", "details": saved.details}
    bomb = tmp_path / "bomb"
    forged = io.BytesIO()
    with zipfile.ZipFile(tmp_path / "model.pt2") as whole, zipfile.ZipFile(forged, "w") as other:
        for name in whole.namelist():
            other.writestr(name, pickle.dumps(Bomb(bomb)) if "sample_inputs" in name else whole.read(name))
    (tmp_path / "model.pt2").write_bytes(forged.getvalue())
    with pytest.raises(UnsafeModelError, match="allow_pickle"):
        load_model(tmp_path, **options)
    assert not bomb.exists()

    (tmp_path / "model.pt2").write_bytes(b"PK nothing")
    with pytest.raises(hr.InvalidInputError, match="can't be read"):
        load_model(tmp_path, **options, allow_pickle=True)
    (tmp_path / "fixed").mkdir()
    fixed = back(tmp_path / "fixed", torch.export.export(model, (example,)), allow_pickle=True)[1]
    with pytest.raises(hr.InvalidInputError, match="dynamic_shapes"):
        fixed.predict(FRAME[:2])
