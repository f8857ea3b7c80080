"""archive.npz: plain arrays, read with suspicion."""

from pathlib import Path
from zipfile import ZipFile

import numpy as np
import pytest

from rewardlab.records.archive import ARCHIVE, load, save

ARRAYS = {"genomes": np.ones((2, 3), np.float32), "returns": np.array([0.5, np.nan]), "downwards": np.array(True)}


def test_what_is_saved_is_loaded_and_is_the_same_bytes_again(tmp_path: Path) -> None:
    path = tmp_path / ARCHIVE
    save(path, ARRAYS)
    before = path.read_bytes()
    found = load(path)
    assert found.keys() == ARRAYS.keys()
    for name, array in ARRAYS.items():
        assert found[name].dtype == array.dtype and np.array_equal(found[name], array, equal_nan=True)
    assert load(path, ("returns", "absent")).keys() == {"returns"}
    save(path, found)
    assert path.read_bytes() == before and [each.name for each in tmp_path.iterdir()] == [ARCHIVE]


def test_only_numbers_belong_there(tmp_path: Path) -> None:
    with pytest.raises(TypeError, match="names holds <U1"):
        save(tmp_path / ARCHIVE, {"names": np.array(["a"])})
    assert not list(tmp_path.iterdir())


def test_what_cannot_be_read_is_one_line(tmp_path: Path) -> None:
    path = tmp_path / ARCHIVE
    with pytest.raises(ValueError, match="No such file"):
        load(path)
    path.write_bytes(b"no archive")
    with pytest.raises(ValueError, match="not a zip file"):
        load(path)
    np.savez(path, evil=np.array([{"a": 1}], dtype=object))
    with pytest.raises(ValueError, match="Object arrays cannot be loaded"):
        load(path)
    save(path, {"map": np.zeros(2000)})
    with pytest.raises(ValueError, match="map is too large"):
        load(path, most=1000)
    with ZipFile(path, "w") as file:
        file.writestr("map.npy", b"\x93NUMPY\x01\x00v\x00{'descr': '<f8', 'fortran_order': False, 'shape': (9,)}")
    with pytest.raises(ValueError, match="npz cannot be read"):
        load(path)
