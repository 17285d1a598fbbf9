"""Loads the benchmark's calls with dlt's rest_api source, with its defaults.

dlt_load.py URL duckdb|postgres WHERE parquet|default DATASET PIPELINES_DIR
"""

import sys

import dlt
from dlt.sources.rest_api import rest_api_source

url, kind, where, file_format, dataset, pipelines_dir = sys.argv[1:]
destination = getattr(dlt.destinations, kind)(credentials=where)
source = rest_api_source(
    {
        "client": {"base_url": url, "paginator": "header_link"},
        "resources": [
            {
                "name": "calls",
                "primary_key": "id",
                "write_disposition": "append",
                "endpoint": {"path": "calls", "data_selector": "calls"},
            }
        ],
    }
)
pipeline = dlt.pipeline(
    "calls", destination=destination, dataset_name=dataset, pipelines_dir=pipelines_dir
)
pipeline.run(source, **({} if file_format == "default" else {"loader_file_format": file_format}))
