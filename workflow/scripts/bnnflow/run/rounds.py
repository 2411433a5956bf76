"""Rounds of more and more chains: which files ask whether those that there are suffice.

After each round but the last a job looks at the chains of all rounds so far, and a job of the next
round leaves a file without chains where these suffice. So all jobs are known before any runs.
"""

from collections.abc import Iterator, Sequence

# Numbers of the parts that a job makes, for each job of each round.
Rounds = Sequence[Sequence[range]]


def answers(fit: str, rounds: Rounds) -> list[str]:
    """Files that say whether the chains of the rounds so far suffice."""
    return [_answer(fit, count) for count in _counts(rounds)]


def before(fit: str, rounds: Rounds, first: int) -> dict[str, str]:
    """What a job whose first chain this is asks before; nothing in the first round."""
    earlier = [count for count in _counts(rounds) if count <= first]
    return {"enough": _answer(fit, earlier[-1])} if earlier else {}


def jobs_before(rounds: Rounds, count: int) -> int:
    """Number of the jobs that make so many chains."""
    return sum(job[0] < count for jobs in rounds for job in jobs)


def _counts(rounds: Rounds) -> Iterator[int]:
    """Numbers of chains before each round but the first."""
    return (jobs[0][0] for jobs in rounds[1:])


def _answer(fit: str, count: int) -> str:
    return f"results/fits/{fit}/enough/{count}.csv"
