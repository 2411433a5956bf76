"""Tables of strangers are used or refused; `fuzz_tables.py` damages as many as one likes."""

import fuzz
import fuzz_tables
import pytest

MUTATIONS = fuzz_tables.Mutations(seed=0)


@pytest.mark.parametrize("kind", MUTATIONS.whole)
def test_tables_are_used_before_they_are_damaged(tmp_path, kind):
    path = tmp_path / kind
    path.write_bytes(MUTATIONS.whole[kind])
    MUTATIONS.readers[kind](path)


def test_damaged_tables_are_used_or_refused():
    found = list(fuzz.campaign(MUTATIONS, 900, workers=1))
    assert {kind for kind, *_ in found} == {*MUTATIONS.whole}
    assert not [fault for _, _, faults, _ in found for fault in faults]
    for _, counts, *_ in found:
        assert counts[fuzz.READ] > 0 < counts[fuzz.REFUSED]
