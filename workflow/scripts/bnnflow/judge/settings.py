"""Settings of what is judged: the limits of diagnostics."""

from pydantic import Field

from ..settings import Pair, Settings


class Diagnostics(Settings):
    """Limits by diagnostic: beyond the first a warning, beyond the second a failure."""

    rhat: Pair = Field(
        [1.01, 1.1],
        description="Split R-hat with ranks, of the function and of the likelihood's sites, such as"
        " sigma, over all chains and of each.",
    )
    ess: Pair = Field(
        [400, 100],
        description="Effective draws, bulk and tail, of the function and of the likelihood's"
        " sites.",
    )
    divergences: Pair = Field(
        [0.0, 0.01], description="Share of draws that end a divergent trajectory."
    )
    saturated_depth: Pair = Field(
        [0.05, 0.5], description="Share of draws whose trajectory has reached max_tree_depth."
    )
    ebfmi: Pair = Field(
        [0.3, 0.2],
        description="Energy's Bayesian fraction of missing information, of the worst chain.",
    )
    # Pyro's adaptation ends up to 0.12 above the target.
    acceptance_off_target: Pair = Field(
        [0.15, 0.2],
        description="How far a chain's mean acceptance probability is from target_accept.",
    )
    elbo_drift: Pair = Field(
        [0.001, 0.01],
        description="Change of the evidence lower bound at the end of the steps, beyond two"
        " standard errors, in nats per observation.",
    )
    restart_spread: Pair = Field(
        [0.05, 0.5],
        description="How far the median start of a variational fit ends below the best, in nats per"
        " observation.",
    )
    pareto_k: Pair = Field(
        [0.7, 1.0],
        description="Shape of the tail of the importance weights of model against guide.",
    )
    curvature_error: Pair = Field(
        [0.1, 1.0],
        description="Interquartile range of the log weights of posterior against normal"
        " distribution over the draws of a member of `laplace`, in nats per observation.",
    )
    disagreement: Pair = Field(
        [0.1, 0.5],
        description="Wasserstein distance of a variational fit's predictive distribution from the"
        " sampled one of the same model and data, over the latter's standard deviation; judged"
        " where the sampled fit does not fail itself.",
    )
    energy_variance: Pair = Field(
        [0.3, 1.0],
        description="Variance of the energy's error, per entry of the posterior, to which the steps"
        " of chains that are not adjusted are adapted.",
    )
    spread_growth: Pair = Field(
        [1.25, 1.4],
        description="Variance of the function over the draws of a chain, of many, over that in each"
        " half of the draws.",
    )
    computation_error: Pair = Field(
        [0.2, 0.5],
        description="Standard error of the pooled prediction of many chains, its mean and its"
        " quantiles, over the predictive standard deviation, if the same were computed again.",
    )
    half_drift: Pair = Field(
        [0.2, 0.5],
        description="Change of the pooled prediction from the first to the second half of the"
        " draws, beyond two standard errors, over the predictive standard deviation.",
    )
    effective_chains: Pair = Field(
        [8.0, 4.0], description="Number of chains of equal weight that would spread as these do."
    )
    calibration_error: Pair = Field(
        [0.05, 0.1],
        description="Mean difference between the shares of held-out observations below predictive"
        " quantiles, or in central intervals, and their probabilities, beyond what is chance in 95"
        " of 100 cases if the fit is right.",
    )
    skill: Pair = Field(
        [2.0, -2.0],
        description="How much better than the linear model the fit of a table is: the mean"
        " difference of log density over held-out rows, in its standard errors.",
    )
    forgetting: Pair = Field(
        [0.05, 0.5],
        description="What an update has lost on the old data, in nats per held-out observation.",
    )
    transfer: Pair = Field(
        [0.0, -0.05],
        description="What an update has won on the new data, in nats per held-out observation.",
    )
    behind: Pair = Field(
        [0.05, 0.5],
        description="How far an update is behind a fit to old and new data together, and to the new"
        " alone, in nats per held-out observation.",
    )
