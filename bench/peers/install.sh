#!/usr/bin/env bash
# Installs dlt into bench/dist/python, for the case "dlt".
set -euo pipefail
cd "$(dirname "$0")/.."
python3 -m venv dist/python
dist/python/bin/pip install --quiet --disable-pip-version-check -r peers/requirements.txt
dist/python/bin/python -c 'import dlt, duckdb; print("dlt", dlt.__version__, "duckdb", duckdb.__version__)'
