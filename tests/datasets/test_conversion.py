"""Data sets in other formats are used only if they hold the genuine images in the genuine order."""

import io
import sys
import zipfile
from dataclasses import replace

import numpy as np
import pytest

from fmbench.datasets import conversion, loading, locate
from fmbench.datasets.locate import locate_dataset
from fmbench.datasets.specs import (
    DATASETS,
    FASHION_MNIST,
    FILES,
    OLD_LABELS,
    TRAIN_LABELS,
    get_dataset,
)
from fmbench.errors import UserError
from tests.helpers.small_datasets import DIGITS, FASHION, compute_checksums, write_packed


@pytest.fixture
def spec(spec, monkeypatch):
    """Fashion-MNIST and the digits with 6 training and 4 test images."""
    for name in ("fashion-mnist", "mnist"):
        small = replace(DATASETS[name], n_train=6, n_per_class=(1,) * 4 + (0,) * 6)
        monkeypatch.setitem(DATASETS, name, small)
    return get_dataset("fashion-mnist")


def decode(files):
    """Return the arrays of IDX files by the names that Keras gives them."""
    names = ("x_train", "y_train", "x_test", "y_test")
    arrays = {}
    for name, file in zip(names, FILES, strict=True):
        n_dims = files[file][3]
        array = np.frombuffer(files[file], np.uint8, offset=4 + 4 * n_dims)
        arrays[name] = array.reshape((-1, 28, 28) if n_dims == 3 else -1)
    return arrays


def write_npz(path, arrays):
    np.savez_compressed(path, **arrays)
    return path


def write_csv(folder, arrays, prefix="fashion-mnist_", header=True):
    folder.mkdir(exist_ok=True)
    for part in ("train", "test"):
        rows = np.c_[arrays[f"y_{part}"], arrays[f"x_{part}"].reshape(-1, 784)]
        names = ",".join(["label", *(f"pixel{i}" for i in range(1, 785))])
        np.savetxt(folder / f"{prefix}{part}.csv", rows, "%d", ",",
                   header=names if header else "", comments="")  # fmt: skip
    return folder


def encode_png(image):
    from PIL import Image

    stream = io.BytesIO()
    Image.fromarray(image).save(stream, "PNG", compress_level=1)
    return stream.getvalue()


def write_parquet(paths, images, labels):
    import pyarrow as pa
    import pyarrow.parquet as pq

    for path, X, y in zip(
        paths, np.array_split(images, len(paths)), np.array_split(labels, len(paths)), strict=True
    ):
        path.parent.mkdir(parents=True, exist_ok=True)
        column = [{"bytes": encode_png(image), "path": None} for image in X]
        pq.write_table(pa.table({"image": column, "label": y.astype(np.int64)}), path)


def check(spec, place):
    """Locate and load the data set; its files are those of FASHION."""
    found = locate_dataset(spec, place)
    assert {f: loading.read_verified_file(spec, found.folder, f) for f in FILES} == FASHION
    return found


# ------------------------------------ NumPy archives


def test_an_archive_as_keras_has_it_is_converted_once(spec, tmp_path, monkeypatch):
    path = write_npz(tmp_path / "fashion.npz", decode(FASHION))
    found = check(spec, path)
    assert found.folder.parent == tmp_path / "cache" / "converted"
    assert found.origin == f"a NumPy archive given by --data DIR, {path}; converted to IDX files"
    assert sorted(p.name for p in found.folder.iterdir()) == sorted(FILES)
    assert [p.name for p in found.folder.parent.iterdir()] == [found.folder.name]
    monkeypatch.setattr(conversion, "_read_npz", None)
    assert locate_dataset(spec, path).folder == found.folder


def test_an_archive_is_found_in_a_folder_beside_those_of_other_data_sets(spec, tmp_path):
    folder = tmp_path / "datasets"
    folder.mkdir()
    write_npz(folder / "boston.npz", {"x": np.zeros(3)})
    write_npz(folder / "mnist.npz", decode(DIGITS))
    (folder / "broken.npz").write_bytes(b"PK\x03\x04 and nothing else")
    write_npz(folder / "fashion.npz", decode(FASHION))
    assert "fashion.npz" in check(spec, folder).origin
    assert "mnist.npz" in locate_dataset(get_dataset("mnist"), folder).origin


@pytest.mark.parametrize(
    "change",
    [
        lambda a: {**a, "x_train": a["x_train"].reshape(-1, 784)},
        lambda a: {**a, "x_train": a["x_train"][..., None]},
        lambda a: {k: v.astype(np.int64) for k, v in a.items()},
        lambda a: {k.upper(): v for k, v in a.items()},
        lambda a: {f"{'train' if 'train' in k else 'test'}_{'images' if k[0] == 'x' else 'labels'}":
                   v for k, v in a.items()},
    ],
    ids=["flat images", "a channel", "int64", "upper case", "other names"],
)  # fmt: skip
def test_arrays_of_other_shapes_types_and_names_are_read(spec, tmp_path, change):
    check(spec, write_npz(tmp_path / "a.npz", change(decode(FASHION))))


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        (lambda a: {"x_train": a["x_train"]}, "has no array y_train: it needs x_train, y_train"),
        (lambda a: {**a, "x_test": a["x_test"] / 255}, "float64 (4, 28, 28) cannot be t10k-images"),
        (lambda a: {**a, "x_test": a["x_test"][:3]}, "uint8 (3, 28, 28) cannot be t10k-images"),
        (lambda a: {**a, "y_test": np.array([{}] * 4)}, "Object arrays cannot be loaded"),
        (lambda a: {**a, "y_test": np.array(3)}, "int64 () cannot be t10k-labels-idx1-ubyte"),
        (lambda a: {**a, "x_test": np.zeros(10**6)}, "unpacks to more than 35,088 bytes"),
        (lambda a: {**a, "x_train": a["x_train"][::-1], "y_train": a["y_train"][::-1]},
         "not the genuine Fashion-MNIST, or in another order"),
        (lambda a: {**a, "x_train": 255 - a["x_train"]}, "as train-images-idx3-ubyte it has"),
        (lambda a: decode(DIGITS), "holds the MNIST handwritten digits, not Fashion-MNIST"),
    ],
)  # fmt: skip
def test_other_archives_are_refused_in_one_line(spec, tmp_path, refusal, change, reason):
    path = write_npz(tmp_path / "a.npz", change(decode(FASHION)))
    message = refusal(lambda: locate_dataset(spec, path))
    assert message.startswith(str(path)) and reason in message
    assert not (tmp_path / "cache").exists()


@pytest.mark.parametrize("content", [b"", b"<html>", b"PK\x03\x04", b"\x93NUMPY\x01", b"x" * 500])
def test_rubbish_named_npz_is_refused_in_one_line(spec, tmp_path, refusal, content):
    path = tmp_path / "a.npz"
    path.write_bytes(content)
    assert "is not a NumPy archive" in refusal(lambda: locate_dataset(spec, path))


def test_an_archive_whose_header_promises_too_much_is_refused(spec, tmp_path, refusal):
    path = write_npz(tmp_path / "a.npz", decode(FASHION))
    header = b"\x93NUMPY\x01\x00v\x00{'descr': '|u1', 'fortran_order': False, 'shape': (10**12,)}"
    with zipfile.ZipFile(path, "w") as archive:
        for name in decode(FASHION):
            archive.writestr(f"{name}.npy", header.ljust(128, b" "))
    assert "is not a NumPy archive" in refusal(lambda: locate_dataset(spec, path))


def test_archives_that_hold_something_else_are_not_taken_for_data(spec, tmp_path, refusal):
    write_npz(tmp_path / "predictions.npz", {"y_pred": np.arange(10)})
    message = refusal(lambda: locate_dataset(spec, tmp_path))
    assert "holds no train-images-idx3-ubyte.gz" in message
    write_npz(tmp_path / "z.npz", decode(FASHION))
    check(spec, tmp_path)


def test_data_of_which_only_packed_files_are_known_cannot_be_converted(kmnist, tmp_path, refusal):
    path = write_npz(tmp_path / "k.npz", decode(FASHION))
    message = refusal(lambda: locate_dataset(kmnist, path))
    assert "only the SHA-256 of the published .gz files of Kuzushiji-MNIST are known" in message


def test_a_cache_that_cannot_be_written_is_an_error_of_one_line(spec, tmp_path, refusal):
    (tmp_path / "cache").touch()
    path = write_npz(tmp_path / "a.npz", decode(FASHION))
    assert "cannot be written" in refusal(lambda: locate_dataset(spec, path))


def test_a_converted_file_that_is_damaged_later_is_refused(spec, tmp_path, refusal):
    path = write_npz(tmp_path / "a.npz", decode(FASHION))
    folder = check(spec, path).folder
    (folder / TRAIN_LABELS).write_bytes(b"damaged")
    assert "delete it" in refusal(lambda: loading.verify_files(spec, folder))
    (folder / TRAIN_LABELS).unlink()
    check(spec, path)


def test_the_digits_in_the_cache_of_keras_are_used(spec, tmp_path):
    path = tmp_path / "keras" / "datasets" / "mnist.npz"
    path.parent.mkdir(parents=True)
    write_npz(path, decode(DIGITS))
    found = locate_dataset(get_dataset("mnist"))
    assert found.origin == f"Keras's cache, {path}"
    loading.verify_files(get_dataset("mnist"), found.folder)


@pytest.mark.slow
def test_the_genuine_images_are_recognised_in_an_archive(dataset, tmp_path, monkeypatch):
    monkeypatch.setattr(locate, "cache_folder", lambda spec: tmp_path / "cache" / spec.name)
    arrays = {n.lower(): getattr(dataset, n) for n in ("X_train", "y_train", "X_test", "y_test")}
    np.savez(tmp_path / "fashion.npz", **arrays)
    found = locate_dataset(FASHION_MNIST, tmp_path)
    assert np.array_equal(loading.load_dataset(found).X_test, dataset.X_test)


# ------------------------------------ the data hub's Parquet files


@pytest.mark.parametrize(
    "names",
    [
        ("train-00000-of-00001.parquet", "test-00000-of-00001.parquet"),
        ("fashion_mnist/train-00000-of-00001.parquet", "fashion_mnist/test-00000-of-00001.parquet"),
        ("snapshots/1/fashion_mnist/train-0.parquet", "snapshots/1/fashion_mnist/test-0.parquet"),
        ("fashion_mnist/train/0000.parquet", "fashion_mnist/test/0000.parquet"),
    ],
)
def test_parquet_files_of_the_data_hub_are_read(spec, tmp_path, names):
    pytest.importorskip("pyarrow")
    arrays = decode(FASHION)
    root = tmp_path / "hub"
    for part, name in zip(("train", "test"), names, strict=True):
        write_parquet([root / name], arrays[f"x_{part}"], arrays[f"y_{part}"])
    assert check(spec, root).origin.startswith("Parquet files given by --data DIR, ")


def test_several_files_of_a_part_are_joined(spec, tmp_path):
    pytest.importorskip("pyarrow")
    arrays = decode(FASHION)
    train = [tmp_path / "hub" / f"train-{number}-of-3.parquet" for number in range(3)]
    write_parquet(train, arrays["x_train"], arrays["y_train"])
    write_parquet([tmp_path / "hub" / "test.parquet"], arrays["x_test"], arrays["y_test"])
    check(spec, tmp_path / "hub")


@pytest.mark.parametrize(
    ("damage", "reason"),
    [
        (lambda X, y: (X[:3], y[:3]), "3 rows, expected 4"),
        (lambda X, y: (np.tile(X, (2, 1, 1)), np.tile(y, 2)), "8 rows with image, label"),
        (lambda X, y: (X[:, 1:], y), "an image of 28 x 27 pixels of mode L; expected are 28 x 28"),
        (lambda X, y: (np.stack([X] * 3, -1), y), "of mode RGB; expected"),
        (lambda X, y: (X, y.astype(np.int64) + 1000), "cannot be read as Parquet"),
        (lambda X, y: (X[::-1], y), "not the genuine Fashion-MNIST, or in another order"),
    ],
)
def test_other_parquet_files_are_refused_in_one_line(spec, tmp_path, refusal, damage, reason):
    pytest.importorskip("pyarrow")
    arrays = decode(FASHION)
    write_parquet([tmp_path / "train.parquet"], arrays["x_train"], arrays["y_train"])
    write_parquet([tmp_path / "test.parquet"], *damage(arrays["x_test"], arrays["y_test"]))
    assert reason in refusal(lambda: locate_dataset(spec, tmp_path))


@pytest.mark.parametrize("content", [b"", b"PAR1PAR1", b"<html></html>", b"x" * 1000])
def test_rubbish_named_parquet_is_refused_in_one_line(spec, tmp_path, refusal, content):
    pytest.importorskip("pyarrow")
    for part in ("train", "test"):
        (tmp_path / f"{part}.parquet").write_bytes(content)
    assert "cannot be read as Parquet" in refusal(lambda: locate_dataset(spec, tmp_path))


def test_an_image_that_is_no_png_is_refused(spec, tmp_path, refusal):
    pa = pytest.importorskip("pyarrow")
    import pyarrow.parquet as pq

    for image in (b"GIF89a", b"\x89PNG\r\n\x1a\n broken", b"x" * 20_000, None):
        table = pa.table({"image": [{"bytes": image}] * 6, "label": [0] * 6})
        for part in ("train", "test"):
            pq.write_table(table, tmp_path / f"{part}.parquet")
        message = refusal(lambda: locate_dataset(spec, tmp_path))
        assert "a PNG image is damaged" in message or "holds no PNG files" in message


def test_without_pyarrow_the_message_says_what_to_install(spec, tmp_path, monkeypatch, refusal):
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    for part in ("train", "test"):
        (tmp_path / f"{part}.parquet").write_bytes(b"PAR1")
    message = refusal(lambda: locate_dataset(spec, tmp_path))
    assert message.endswith("Parquet files need pyarrow: pip install 'fmbench[parquet]'")


# ------------------------------------ CSV files


@pytest.mark.parametrize("header", [True, False])
def test_csv_files_in_the_genuine_order_are_read(spec, tmp_path, header):
    folder = write_csv(tmp_path / "csv", decode(FASHION), header=header)
    assert check(spec, folder).origin.startswith("CSV files given by --data DIR, ")


def test_the_csv_files_of_kaggle_are_refused_by_name(spec, tmp_path, monkeypatch, refusal):
    old = decode(DIGITS)
    old["y_train"] = (old["y_train"] + 1) % 10
    checksum = compute_checksums({"": b"\0\0\x08\x01\0\0\0\x06" + old["y_train"].tobytes()})[""]
    monkeypatch.setitem(OLD_LABELS, checksum, "the labels of the first release")
    folder = write_csv(tmp_path / "archive", old)
    message = refusal(lambda: locate_dataset(spec, folder))
    assert message.startswith(
        f"{folder / 'fashion-mnist_train.csv'} and 1 more holds the labels of"
    )
    assert "the labels of the first release, not Fashion-MNIST" in message


def test_shuffled_csv_files_are_refused(spec, tmp_path, refusal):
    arrays = decode(FASHION)
    for name in ("x_train", "y_train"):
        arrays[name] = arrays[name][[3, 1, 2, 0, 5, 4]]
    folder = write_csv(tmp_path / "csv", arrays)
    assert "or in another order" in refusal(lambda: locate_dataset(spec, folder))


@pytest.mark.parametrize(
    ("edit", "reason"),
    [
        (lambda text: text.replace(",", ";"), "expected are a label and 784 pixels in each line"),
        (lambda text: "", "it is empty"),
        (lambda text: text + text.splitlines()[-1] + "\n", "more than 4 lines, expected 4"),
        (lambda text: "\n".join(text.splitlines()[:-1]), "3 lines, expected 4"),
        (lambda text: text[:-5] + "cat\n", "cannot be read"),
        (lambda text: text[:-5] + "1,2,3,4,5\n", "not the genuine Fashion-MNIST"),
    ],
)
def test_other_csv_files_are_refused_in_one_line(spec, tmp_path, refusal, edit, reason):
    folder = write_csv(tmp_path / "csv", decode(FASHION))
    path = folder / "fashion-mnist_test.csv"
    path.write_text(edit(path.read_text()))
    message = refusal(lambda: locate_dataset(spec, folder))
    assert reason in message and str(folder) in message


def test_a_training_file_alone_is_no_data_set(spec, tmp_path, refusal):
    folder = write_csv(tmp_path / "csv", decode(FASHION))
    (folder / "fashion-mnist_test.csv").unlink()
    assert "holds no train-images" in refusal(lambda: locate_dataset(spec, folder))


# ------------------------------------ which of several is taken


def test_the_four_files_come_before_any_other_format(spec, tmp_path):
    write_npz(tmp_path / "a.npz", decode(DIGITS))
    write_packed(FASHION, tmp_path)
    assert locate_dataset(spec, tmp_path).origin == "the folder given by --data DIR"


def test_huge_and_odd_files_are_not_read(spec, tmp_path, refusal):
    with (tmp_path / "huge.npz").open("wb") as file:
        file.truncate(2**40)
    (tmp_path / "zero.npz").symlink_to("/dev/zero")
    message = refusal(lambda: locate_dataset(spec, tmp_path))
    assert "huge.npz is larger than" in message
    with pytest.raises(UserError, match=r"zero\.npz is not a folder"):
        locate_dataset(spec, tmp_path / "zero.npz")
