"""Write what made the results, and a checksum of each."""

from bnnflow import jobs

jobs.start(snakemake)

import json
from pathlib import Path

from bnnflow import manifests

path = Path(snakemake.output[0])
given, seeds = snakemake.params.given, snakemake.params.seeds
manifest = manifests.described(given, seeds, snakemake.input, path.parent)
path.write_text(f"{json.dumps(manifest, indent=1, ensure_ascii=False)}\n", encoding="utf-8")
jobs.log.info("%d results", len(manifest["sha256"]))
