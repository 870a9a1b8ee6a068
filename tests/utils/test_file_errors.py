"""An error of the operating system names the file that cannot be written."""

import errno

import pytest

from fmbench.utils.file_errors import describe_os_error, name_file


def test_an_error_without_a_file_gets_its_name(tmp_path):
    path = tmp_path / "table.md"
    full = OSError(errno.ENOSPC, "No space left on device")
    with pytest.raises(OSError) as raised, name_file(path):
        raise full
    assert raised.value.errno == errno.ENOSPC
    assert describe_os_error(raised.value) == f"{path}: No space left on device"


def test_a_temporary_file_is_not_named(tmp_path):
    with pytest.raises(PermissionError) as raised, name_file(tmp_path / "table.md"):
        raise PermissionError(errno.EACCES, "Permission denied", str(tmp_path / ".table.md.x.tmp"))
    assert describe_os_error(raised.value) == f"{tmp_path / 'table.md'}: Permission denied"


def test_an_error_that_names_no_file_is_described_without_one():
    assert describe_os_error(OSError(errno.EIO, "Input/output error")) == "Input/output error"
    assert describe_os_error(OSError("closed")) == "closed"
