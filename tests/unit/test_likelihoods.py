"""What holds for every likelihood and every prior that is found."""

import re
import sys
from importlib import import_module
from inspect import isclass
from itertools import cycle, islice
from typing import Annotated, Literal, get_args

import likelihood_cases
import numpy as np
import pytest
import torch
from conftest import ROOT
from docutils.core import publish_doctree
from pydantic import Discriminator, Field, Tag, TypeAdapter, create_model
from pyro import poutine

from bnnflow.density.log_density import LogDensity
from bnnflow.files.parameters import LIKELIHOOD, PRIOR, Parameters
from bnnflow.model import build, likelihoods, settings
from bnnflow.model.components import Counts, Labels, Paired
from bnnflow.model.likelihood import LIKELIHOODS
from bnnflow.model.model import Model, Response
from bnnflow.model.network import Network
from bnnflow.model.prior import PRIORS, learnt, learnt_account, sites_of
from bnnflow.model.several import Several, of_settings
from bnnflow.registered import Registry
from bnnflow.settings import Settings

# By family what its own module in tests/likelihood_cases says.
OWN = {family: import_module(f"likelihood_cases.{family}") for family in LIKELIHOODS}
GIVEN = [{"family": name} | settings for name, own in OWN.items() for settings in own.SETTINGS]


def levels_of(family, number):
    """Levels of so many targets that the family suits."""
    return tuple(islice(cycle(getattr(OWN[family], "LEVELS", (0,))), number))


# By target, with their levels.
SEVERAL = [
    (({"family": "normal"}, {"family": "categorical"}, {"family": "negative_binomial"}), (0, 3, 0)),
    (({"family": "bernoulli"}, {"family": "heteroscedastic_normal", "rate": 2.0}), (2, 0)),
    (({"family": "student_t", "df": 5}, {"family": "student_t"}, {"family": "poisson"}), (0, 0, 0)),
]

# With the default of likelihoods, all priors besides.
PRIOR_TO = {"family": "normal", "stddev": 1.5, "scaling": "fan_in"}
MORE = [{"family": family} | more for family in PRIORS for more in ({}, {"scaling": "learnt"})]
CASES = [
    (likelihood, prior, inputs, levels_of(likelihood["family"], number))
    for likelihood in GIVEN
    for prior in (PRIOR_TO, *(MORE if likelihood == GIVEN[0] else ()))
    for inputs, number in ((1, 1), (3, 1), (3, 2), (1, 3))
] + [(given, PRIOR_TO, inputs, targets) for given, targets in SEVERAL for inputs in (1, 3)]
DRAWS, POINTS = 6, 11


def told(case):
    likelihood, prior, inputs, targets = case
    parts = likelihood if isinstance(likelihood, tuple) else (likelihood,)
    own = (value for part in (*parts, prior) for value in part.values())
    return "-".join(map(str, (*own, inputs, *targets)))


@pytest.fixture(params=CASES, ids=told)
def case(request):
    return built(*request.param)


def built(given, prior, inputs, targets):
    """A model, and inputs (n, inputs)."""
    torch.manual_seed(0)
    likelihood, prior = of_settings(given), PRIORS.made(prior)
    network = Network(inputs, [4], likelihood.outputs(targets), "tanh")
    response = Response(network, likelihood, targets)
    model = Model(prior.weights(network.shapes), response)
    return model, torch.randn(POINTS, inputs)


def of_weights(model):
    """Shapes of the prior's sites."""
    return sites_of(model.response.network.shapes, model.prior.factors)


def shapes_of(model):
    """Of all sites."""
    return of_weights(model) | model.response.own


def run(model, *data, **values):
    return poutine.trace(poutine.condition(model, values)).get_trace(*data)


def observed(model, x):
    """Targets drawn from the model: (n,), or (n, targets)."""
    values = [node["value"] for node in responses(run(model, x))]
    y = torch.cat([value.reshape(-1, len(x)) for value in values])
    return y.mT if len(y) > 1 else y[0]


def responses(trace):
    """The sites of the response: one of all targets, or one of each."""
    return [node for name, node in trace.nodes.items() if name.split(".")[-1] == "obs"]


def of_targets(model, trace, what):
    """Values of the response, or log densities, by target: (targets, n)."""
    values = [node["value"] for node in responses(trace)]
    if what == "log density":
        nodes = zip(responses(trace), values, strict=True)
        values = [node["fn"].log_prob(value) for node, value in nodes]
    return torch.cat([value.reshape(-1, POINTS) for value in values]).numpy()


def references(model):
    """SciPy's distribution of every target."""
    likelihood, targets = model.response.likelihood, model.response.targets
    each = likelihood.each if isinstance(likelihood, Several) else [likelihood] * len(targets)
    return [OWN[own.family].reference for own in each]


def test_a_name_that_no_module_has_is_refused():
    for registry in (LIKELIHOODS, PRIORS):
        with pytest.raises(KeyError, match=r"there is no family 'another'; there are normal"):
            registry.made({"family": "another"})


@pytest.mark.parametrize("registry", [LIKELIHOODS, PRIORS], ids=lambda registry: registry.package)
def test_whatever_is_found_has_the_name_of_its_module_and_a_default_for_every_setting(registry):
    assert next(iter(registry)) == registry.default
    for name, kind in registry.items():
        made = registry.made({"family": name})
        assert isinstance(made, registry.kind)
        assert made.family == name
        assert all("default" in field for field in kind.model_json_schema()["properties"].values())
        assert (ROOT / "workflow/scripts/bnnflow" / registry.file({"family": name})).is_file()


def classes(annotation):
    """Of settings, in an annotation."""
    if isclass(annotation):
        return [annotation] if issubclass(annotation, Settings) else []
    parts = get_args(annotation)
    parts = parts[:1] if hasattr(annotation, "__metadata__") else parts
    return [found for part in parts for found in classes(part)]


def test_what_is_found_is_what_the_config_offers():
    for found, offered in (
        (LIKELIHOODS, get_args(get_args(settings.Likelihood)[0])[0]),
        (LIKELIHOODS, get_args(get_args(settings.OfTarget)[0])[0]),
        (PRIORS, get_args(get_args(settings.Prior)[0])[0]),
    ):
        assert [*found.values()] == [*classes(offered)]


class First(settings.Settings):
    family: Literal["first"] = Field("first", description="`first`.")
    size: int = Field(1, description="How large.")


class Second(settings.Settings):
    family: Literal["second"] = Field("second", description="`second`.")
    width: int = Field(2, description="How wide.")


class Two(Registry):
    def __iter__(self):
        return iter(("first", "second"))

    def __getitem__(self, name):
        return {"first": First, "second": Second}[name]


SETTING = Two("", settings.Settings, "family", "first").setting()


def test_keys_of_several_families_are_documented_each(monkeypatch):
    """Also where a family is one choice among others, as of a prior."""
    monkeypatch.syspath_prepend(ROOT / "workflow")
    document = import_module("document")
    other = Annotated[settings.Learnt, Tag("learnt")]
    either = Annotated[
        Annotated[SETTING, Tag("own")] | other,
        Discriminator(lambda value: "learnt" if "posterior_of" in value else "own"),
    ]
    for kind, more in ((SETTING, set()), (either, {"x.posterior_of", "x.carry", "x.inputs"})):
        made = create_model("Made", __base__=settings.Settings, x=(kind, Field(description="X.")))
        table = document.keys(made.model_json_schema())
        keys = re.findall(r"^\| `([^`]+)` \|", table, re.M)
        assert sorted(keys) == sorted({"x", "x.family", "x.size", "x.width"} | more)
        assert "| `first`, `second` | `first` | `first`. `second`. |" in table
        assert "| (second) How wide. |" in table


def test_settings_that_name_no_family_are_the_defaults_unless_they_are_of_another():
    one = TypeAdapter(SETTING)
    assert one.validate_python({"size": 3}) == First(size=3)
    assert one.validate_python({"family": "second", "width": 3}) == Second(width=3)
    with pytest.raises(ValueError, match=r"width is a key of the family second"):
        one.validate_python({"width": 3})


def test_a_model_of_defaults_takes_any_number_of_columns():
    likelihood = {"likelihood": LIKELIHOODS.made({}).model_dump()}
    defaults = settings.Model().model_dump() | likelihood, PRIORS.made({}).model_dump()
    model = build.network(*defaults, inputs=3, targets=(0, 0))
    assert run(model, torch.zeros(4, 3)).nodes["obs"]["value"].shape == (2, 4)


def test_every_site_is_declared_with_its_shape_and_known_by_its_role(case):
    model, x = case
    density = LogDensity(model, x, observed(model, x), engine="pyro")
    by_role = {
        role: {site.name: site.shape for site in density.sites if site.role == role}
        for role in (PRIOR, LIKELIHOOD)
    }
    assert by_role[PRIOR] == of_weights(model)
    assert by_role[LIKELIHOOD] == model.response.own
    assert {site.name: site.shape for site in density.sites} == shapes_of(model)
    assert all(
        site.transform == ("log" if site.name.endswith(".scale") else "identity")
        for site in density.sites
        if site.role == PRIOR
    )


def test_gradients_are_those_of_differences(case):
    model, x = case
    y = observed(model, x)
    density = LogDensity(model, x, y, engine="pyro")
    vector, step = torch.randn(density.size) / 4, 1e-3
    # A density may have a kink at zero.
    vector += 2 * step * vector.sign()

    def exact(at):
        return density.log_prob(at, x.double(), y.double())

    at = vector.double().requires_grad_()
    (slopes,) = torch.autograd.grad(exact(at), at)
    with torch.no_grad():
        steps = step * torch.eye(density.size, dtype=torch.double)
        differences = [(exact(at + each) - exact(at - each)) / (2 * step) for each in steps]
    # Priors may round a value to single precision: a ten millionth of it, over the step.
    torch.testing.assert_close(torch.stack(differences), slopes, rtol=1e-3, atol=0.01)
    value, grad = density.value_and_grad(vector)
    assert value.item() == pytest.approx(exact(vector.double()).item(), rel=1e-4, abs=1e-3)
    torch.testing.assert_close(grad, slopes.float(), rtol=1e-3, atol=1e-3)


def test_components_are_the_distribution_that_the_likelihood_samples_from(case):
    """At draws of the prior all at once as at each by itself, and its density is SciPy's."""
    model, x = case
    targets = len(model.response.targets)
    traces = [run(model, x) for _ in range(DRAWS)]
    sites = shapes_of(model)
    draws = {name: np.stack([t.nodes[name]["value"].numpy() for t in traces]) for name in sites}
    found = model.response.components(draws, x)
    assert len(found) == targets
    assert all(each.shape == (DRAWS, POINTS) for each in found)
    for i, trace in enumerate(traces):
        density, y = (of_targets(model, trace, what) for what in ("log density", "value"))
        for target, (each, reference) in enumerate(zip(found, references(model), strict=True)):
            expected = log_density_of(reference_of(each, reference)[i], y[target])
            # Two orders of the same few sums in single precision.
            np.testing.assert_allclose(density[target], expected, rtol=1e-4, atol=1e-4)


def reference_of(components, reference):
    """SciPy's distributions of every draw, at all points."""
    values = [values.double().numpy() for values in vars(components).values()]
    return [reference(*own) for own in zip(*values, strict=True)]


def log_density_of(exact, y):
    return (exact.logpmf if hasattr(exact, "logpmf") else exact.logpdf)(y)


def test_components_answer_as_scipys_distributions(case):
    """In double precision; means of differences by Monte Carlo, within five of its errors."""
    model, x = case
    traces = [run(model, x) for _ in range(DRAWS)]
    sites = shapes_of(model)
    draws = {name: np.stack([t.nodes[name]["value"].numpy() for t in traces]) for name in sites}
    random = np.random.default_rng(0)
    seen = observed(model, x).reshape(POINTS, -1).mT.double()
    found_by_target = zip(model.response.components(draws, x), seen, references(model), strict=True)
    for components, y, reference in found_by_target:
        own, exact = components.double(), reference_of(components, reference)
        assert not components.wrong().any()
        pairs = [
            (own.log_density(y), [log_density_of(each, y.numpy()) for each in exact]),
            (own.mean, [each.mean() for each in exact]),
            (own.variance(), [each.var() for each in exact]),
        ]
        if isinstance(own, Counts):
            pairs += [(own.below(y), [each.cdf(y.numpy() - 1) for each in exact])]
        else:
            pairs += [
                (own.density(y), [each.pdf(y) for each in exact]),
                (own.below(y), [each.cdf(y) for each in exact]),
            ]
        for found, expected in pairs:
            # Probabilities of classes add up to 1 but for their rounding to single precision.
            atol = 1e-6 if isinstance(own, Labels) else 1e-12
            np.testing.assert_allclose(found, np.stack(expected), rtol=1e-6, atol=atol)
        assert sum(part.shape[1] for part in components.parts(4)) == POINTS
        assert components.at(slice(2, 5)).shape == (DRAWS, 3)
        assert components.of_draws(slice(1, 3)).shape == (2, POINTS)
        stream = torch.Generator().manual_seed(1)
        sampled = np.stack([components.sample(stream).numpy() for _ in range(2000)])
        spread = own.variance().sqrt().numpy()
        np.testing.assert_array_less(
            abs(sampled.mean(0) - own.mean.numpy()), 5 * spread / 2000**0.5 + 1e-3
        )
        below, density = own.averaged(lambda values: values.mean(0))(y)
        np.testing.assert_allclose(below, own.below(y).mean(0), rtol=1e-6, atol=1e-12)
        np.testing.assert_allclose(density(), own.density(y).mean(0), rtol=1e-6, atol=1e-12)
        low, high = own.ends
        assert (own.below(low).mean(0) < 1e-6).all()
        assert (own.below(high).mean(0) > 1 - 1e-6).all()
        many, again = (
            np.stack([each.rvs((4000, POINTS), random_state=random) for each in exact])
            for _ in range(2)
        )
        differences = [(own.distance(y), many - y.numpy())]
        if isinstance(own, Paired):
            differences += [
                (own.spread(), many - again),
                (own.apart(1), many - np.roll(again, 1, 0)),
            ]
        for found, difference in differences:
            away = np.abs(difference)
            error = away.std(1) / 4000**0.5 + 1e-3
            np.testing.assert_array_less(np.abs(away.mean(1) - found.numpy()), 5 * error)


def test_draws_of_another_model_are_refused(case):
    model, x = case
    draws = {name: np.zeros((2, *shape), np.float32) for name, shape in shapes_of(model).items()}
    *_, name = shapes_of(model)
    for wrong in (
        {other: values for other, values in draws.items() if other != name},
        draws | {name: np.zeros((2, 7), np.float32)},
        draws | {"another": np.zeros(2, np.float32)},
    ):
        with pytest.raises(ValueError, match=r"the draws are of the sites .*, the model has"):
            model.response.components(wrong, x)


def test_a_prior_learns_the_weights_of_a_fit_and_no_more(case):
    model, x = case
    density = LogDensity(model, x, observed(model, x), engine="pyro")
    numbers = np.arange(density.size, dtype=np.float32)
    stored = Parameters(density.sites, numbers, numbers + 1, np.diag((numbers + 1) ** 2))
    shapes = model.response.network.shapes
    trace = poutine.trace(learnt(shapes, stored).sample).get_trace()
    values = trace.nodes["_RETURN"]["value"]
    assert {name: tuple(value.shape) for name, value in values.items()} == shapes
    sampled = {name for name, node in trace.nodes.items() if node["type"] == "sample"}
    assert sampled == of_weights(model).keys()
    with pytest.raises(ValueError, match="the network needs"):
        learnt(shapes | {"layer9.weight": (1, 1)}, stored)


@pytest.mark.parametrize("family", PRIORS)
@pytest.mark.parametrize("scaling", ["none", "fan_in", "learnt"])
def test_a_prior_tells_of_itself_in_text_that_the_report_can_show(family, scaling):
    made = PRIORS.made({"family": family, "scaling": scaling})
    for text in (made.account(), *(learnt_account("mine", scales) for scales in (True, False))):
        tree = publish_doctree(text, settings_overrides={"halt_level": 2})
        assert any(node.tagname in ("math", "math_block") for node in tree.findall())
    # Every number among its settings.
    numbers = [value for value in made.model_dump().values() if isinstance(value, float)]
    assert all(str(value) in made.account() for value in numbers)
    assert ("HalfNormal" in made.account()) == (scaling == "learnt")
    assert ("sqrt" in made.account()) == (scaling != "none")


def test_a_network_and_a_likelihood_share_no_site():
    class Named(LIKELIHOODS["normal"]):
        family: Literal["named"] = "named"

        def shapes(self, targets):
            return {"layer1.weight": ()}

    with pytest.raises(ValueError, match=r"both have the sites \['layer1\.weight'\]"):
        Response(Network(1, [2], 1, "tanh"), Named(), (0,))


@pytest.mark.parametrize(("inputs", "targets"), [(1, (0,)), (3, (0, 0))])
def test_the_likelihood_of_the_developers_page_is_one(inputs, targets, tmp_path, monkeypatch):
    """As the page has it: a file in one folder and a file in another."""
    page = (ROOT / "docs/developing.md").read_text(encoding="utf-8")
    blocks = re.findall(r"^```python\n(.*?)^```$", page, re.S | re.M)
    for package, text in zip((likelihoods, likelihood_cases), blocks, strict=True):
        folder = tmp_path / package.__name__
        folder.mkdir()
        (folder / "laplace.py").write_text(text, encoding="utf-8")
        monkeypatch.setattr(package, "__path__", [*package.__path__, str(folder)])
        monkeypatch.delitem(sys.modules, f"{package.__name__}.laplace", raising=False)
    assert "laplace" in [*LIKELIHOODS]
    own = import_module("likelihood_cases.laplace")
    monkeypatch.setitem(OWN, "laplace", own)
    for given in own.SETTINGS:
        case = built({"family": "laplace"} | given, {}, inputs, targets)
        test_every_site_is_declared_with_its_shape_and_known_by_its_role(case)
        test_gradients_are_those_of_differences(case)
        test_components_are_the_distribution_that_the_likelihood_samples_from(case)
        test_components_answer_as_scipys_distributions(case)
