"""Values and frames as numpy and pandas have them, for tests without either."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any


class _Type:
    def __init__(self, kind: str) -> None:
        self.kind = kind


class Float32:
    """A float of numpy's that is none of Python's."""

    ndim = 0
    dtype = _Type("f")

    def __init__(self, shortest: str) -> None:
        self._shortest = shortest

    def __str__(self) -> str:
        return self._shortest


class Array:
    """An array of objects."""

    ndim = 1
    dtype = _Type("O")

    def __init__(self, values: Sequence[Any]) -> None:
        self._values = values

    def tolist(self) -> list[Any]:
        return list(self._values)


class NAType:
    """The class of pandas' NA."""


class NaTOfNumpy:
    """numpy's NaT."""

    def __str__(self) -> str:
        return "NaT"


class Missing:
    """What stands for a missing value."""

    NA = NAType()
    NAT = NaTOfNumpy()


class Timestamp(datetime):
    """A time of pandas'."""

    def to_pydatetime(self, *, warn: bool) -> datetime:
        assert not warn
        return datetime(*self.timetuple()[:6], tzinfo=self.tzinfo)

    @classmethod
    def nat(cls) -> "Timestamp":
        return _NaT(1, 1, 1)


class _NaT(Timestamp):
    def __eq__(self, other: object) -> bool:
        return False

    __hash__ = None  # type: ignore[assignment]  # as pandas' own is never equal


class Series(list[Any]):
    """A column."""

    def __init__(self, values: Sequence[Any], dtype: type = object) -> None:
        super().__init__(values)
        self.dtype = dtype


class Frame:
    """A frame of pandas, as far as it is read."""

    def __init__(
        self, columns: Mapping[str, Sequence[Any]], index: Mapping[str | None, Sequence[Any]] | None = None
    ) -> None:
        self._columns = {name: _series(values) for name, values in columns.items()}
        self._index = {name: _series(values) for name, values in (index or {None: ()}).items()}
        self.columns = list(columns)
        self.index = self
        self.names = list(self._index)
        self.iloc = self

    def __len__(self) -> int:
        return len(self._columns[self.columns[0]])

    def __getitem__(self, key: Any) -> Any:
        if isinstance(key, tuple):
            return self._columns[self.columns[key[1]]]
        columns = {name: Series(series[key], series.dtype) for name, series in self._columns.items()}
        return Frame(columns, {name: Series(series[key], series.dtype) for name, series in self._index.items()})

    def get_level_values(self, level: int) -> Series:
        return self._index[self.names[level]]


def _series(values: Sequence[Any]) -> Series:
    return values if isinstance(values, Series) else Series(values)
