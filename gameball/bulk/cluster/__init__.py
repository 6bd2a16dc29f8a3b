"""A bulk run on a Dask cluster: its workers send the rows, each row once. It needs the extra `dask`."""

from importlib.util import find_spec

if find_spec("distributed") is None or find_spec("fsspec") is None:
    raise ModuleNotFoundError("gameball.bulk.cluster needs its extra: pip install 'gameball[dask]'")

from gameball.bulk.cluster.submitter import (  # (only with what it needs)
    resume_on_cluster as resume_on_cluster,
    run_on_cluster as run_on_cluster,
)
