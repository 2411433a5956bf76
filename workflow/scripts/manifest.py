"""Write what made the results, and a checksum of each."""

from bnnflow import jobs

jobs.start(snakemake)

import json
from pathlib import Path

from bnnflow import files, manifests

path = Path(snakemake.output[0])
given, seeds = snakemake.params.given, snakemake.params.seeds
manifest = manifests.described(given, seeds, snakemake.input, path.parent)
with files.whole(path) as part:
    text = json.dumps(manifest, indent=1, ensure_ascii=False)
    part.write_text(f"{text}\n", encoding="utf-8")
jobs.log.info("%d results", len(manifest["sha256"]))
