import sys
from os.path import exists
from pathlib import Path

from snakemake.exceptions import WorkflowError

WORKFLOW = Path(str(workflow.current_basedir.get_path_or_uri(secret_free=True))).parent
SCRIPTS = WORKFLOW / "scripts"
sys.path.insert(0, str(SCRIPTS))

from bnnflow import jobs

jobs.collect_seldom()

from bnnflow.config.reading import ConfigError, readable
from bnnflow.data.settings import is_own

# A table stands by itself: the fits and the data of another config are none of its own.
ALONE = is_own(config.get("data"))

# The working directory's own, or else the tutorial's.
CONFIG = "config/config.yaml"
if not exists(CONFIG):
    CONFIG = workflow.source_path(f"../../{CONFIG}")

# Snakemake names neither the file nor the line.
if not (ALONE or workflow.modifier.skip_configfile):
    try:
        readable(CONFIG)
    except ConfigError as error:
        raise WorkflowError(str(error)) from None


if not ALONE:

    configfile: CONFIG
