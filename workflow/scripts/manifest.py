"""Write what made the results, and a checksum of each."""

from bnnflow import jobs

jobs.start(snakemake)

import json
from pathlib import Path

from bnnflow.files import safe
from bnnflow.run import manifests

path = Path(snakemake.output[0])
params = snakemake.params
facts = params.given, params.seeds, params.devices
manifest = manifests.described(*facts, snakemake.input, path.parent)
text = f"{json.dumps(manifest, indent=1, ensure_ascii=False)}\n"
with safe.whole(path) as part:
    part.write_text(text, encoding="utf-8")
jobs.log.info("%d results", len(manifest["sha256"]))
