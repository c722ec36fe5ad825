import html
import itertools
import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import jinja2
import matplotlib
import numpy as np
import pandas as pd
import pytest
from docutils.core import publish_parts
from inference_examples import drawn_posterior
from made_up import disturbed, made_up_corpus
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from PIL import Image

from surrogate.config import Config, EvaluationSettings
from surrogate.diagnostics import evaluate
from surrogate.fields import select_split, write_netcdf
from surrogate.figures import CATALOGUE, draw_figure, figure_names, file_names, make_figure, split_name
from surrogate.figures.catalogue import LANDING, Entry
from surrogate.figures.selection import example_times
from surrogate.files import provenance
from surrogate.methods import METHODS, Method, register, title_of
from surrogate.report import captions, conclusions, landing, metrics_table

CONFIG = Config(
    figures={"resolution": 60},
    studies={"learning_curve": [0.5, 1.0], "compression_curve": [35, 142]},
    inference={"observations": "mars"},
)
SETTINGS = CONFIG.figures
SPLIT = [0, 0, 0, 1, 2, 2, 2, 2]


def losses(epochs: int) -> pd.DataFrame:
    epoch = np.arange(1, epochs + 1)
    return pd.DataFrame({"epoch": epoch, "loss": np.exp(-epoch / 5), "validation_loss": 1.2 * np.exp(-epoch / 6)})


@pytest.fixture(scope="module")
def inputs() -> dict[str, Any]:
    corpus = made_up_corpus((12, 12, 12, 12, 12, 7, 12, 12), split=SPLIT)
    truth = select_split(corpus, "test")
    amplitudes = {"autoencoder": 3.0, "fnn": 15.0, "lstm": 25.0, "flow": 20.0}
    curve = pd.DataFrame(
        {
            "method": ["fnn", "fnn", "lstm", "lstm"],
            "runs": [32, 128] * 2,
            "mean_square_error": [3e-3, 1e-3, 4e-3, 9e-4],
            "relative_accuracy": [99.1, 99.3, 99.0, 99.2],
            "lateral_anomaly_error": [0.95, 0.91, 0.96, 0.9],
        }
    )
    compression = pd.DataFrame(
        {
            "method": ["autoencoder", "fnn"] * 4,
            "run": ["this run"] * 4 + ["networks of the paper"] * 4,
            "latents": [6, 6, 2, 2] * 2,
            "compression": [37.3, 37.3, 112.0, 112.0, 40.0, 40.0, 120.0, 120.0],
            "relative_accuracy": [99.8, 99.3, 99.5, 99.2, 99.6, 99.0, 99.1, 98.8],
            "lateral_anomaly_error": [0.3, 0.8, 0.6, 0.9, 0.5, 0.9, 0.8, 1.0],
        }
    )
    return {
        "corpus": corpus,
        "predictions": {name: disturbed(truth, size, seed) for seed, (name, size) in enumerate(amplitudes.items())},
        "tables": {
            "autoencoder": losses(20),
            "fnn": losses(30),
            "lstm": losses(40),
            "flow": losses(50),
            "compression_curve": compression,
            "learning_curve": curve,
        },
        "posterior": drawn_posterior(),
    }


def entry_of(name: str) -> Entry:
    return CATALOGUE[split_name(name).entry]


def make(name: str, inputs: dict[str, Any]) -> Figure:
    """The Figure itself, as the catalogue makes it."""
    return draw_figure(name, inputs, SETTINGS)


STILL = [name for name in figure_names(CONFIG) if not entry_of(name).animated]


@pytest.mark.parametrize("name", [name for name in STILL if not name.endswith("_2")])
def test_no_two_texts_overlap(name: str, inputs: dict[str, Any], monkeypatch: pytest.MonkeyPatch) -> None:
    figure = make(name, inputs)
    figure.set_dpi(150)
    canvas: Any = FigureCanvasAgg(figure)
    canvas.draw()  # the layout settles
    drawn = {}
    original = matplotlib.text.Text.draw

    def watched(self: Any, renderer: Any) -> Any:
        if self.get_visible() and self.get_text().strip():
            drawn[id(self)] = self
        original(self, renderer)

    monkeypatch.setattr(matplotlib.text.Text, "draw", watched)
    canvas.draw()
    boxes = [(text.get_text(), text.get_window_extent(canvas.get_renderer())) for text in drawn.values()]
    assert boxes
    for (one, box), (other, another) in itertools.combinations(boxes, 2):
        # A pixel of touching is the slack of the font's bounding boxes.
        smaller = another.expanded((another.width - 2) / another.width, (another.height - 2) / another.height)
        assert not box.overlaps(smaller), f"{one!r} overlaps {other!r}"
    whole = figure.bbox.padded(1)
    for label, box in boxes:
        inside = whole.x0 <= box.x0 and box.x1 <= whole.x1 and whole.y0 <= box.y0 and box.y1 <= whole.y1
        assert inside, f"{label!r} leaves the figure"


def test_files_are_whole_and_carry_their_provenance(inputs: dict[str, Any], tmp_path: Path) -> None:
    path = tmp_path / "figures" / "error_time.png"
    make_figure("error_time", inputs, SETTINGS, path)
    with Image.open(path) as picture:
        made_by = json.loads(picture.info["Description"])
        assert picture.width == pytest.approx(170 / 25.4 * 60, abs=2)
    assert made_by["figure"] == "error_time"
    assert made_by["inputs"] == {"corpus": "in memory", "fnn": "in memory", "lstm": "in memory"}
    assert os.listdir(path.parent) == ["error_time.png"]
    make_figure("losses", inputs, SETTINGS, tmp_path / "losses.pdf")
    assert (tmp_path / "losses.pdf").read_bytes().startswith(b"%PDF")


@pytest.mark.parametrize("suffix", ["png", "pdf", "svg"])
def test_equal_data_give_equal_files(suffix: str, inputs: dict[str, Any], tmp_path: Path) -> None:
    for copy in ("one", "other"):
        make_figure("losses", inputs, SETTINGS, tmp_path / f"{copy}.{suffix}")
    assert (tmp_path / f"one.{suffix}").read_bytes() == (tmp_path / f"other.{suffix}").read_bytes()


def test_figures_do_not_depend_on_the_session(inputs: dict[str, Any], tmp_path: Path) -> None:
    make_figure("losses", inputs, SETTINGS, tmp_path / "before.png")
    with matplotlib.rc_context({"font.size": 20, "lines.linewidth": 9, "axes.facecolor": "red"}):
        make_figure("losses", inputs, SETTINGS, tmp_path / "after.png")
        assert matplotlib.rcParams["font.size"] == 20
    with Image.open(tmp_path / "before.png") as one, Image.open(tmp_path / "after.png") as other:
        np.testing.assert_array_equal(np.asarray(one), np.asarray(other))


ALONE = """
import pathlib, sys
import pandas as pd
from surrogate.config import FigureSettings
from surrogate.fields import open_netcdf
from surrogate.figures import make_figure

for name in sys.argv[1:]:
    folder = pathlib.Path(name)
    files = {path.stem: path for path in folder.iterdir()}
    inputs = {"predictions": {stem: path for stem, path in files.items() if path.suffix == ".nc" and stem != "corpus"}}
    inputs |= {"posterior": files["posterior"]} if "posterior" in files else {}
    inputs["tables"] = {stem: path for stem, path in files.items() if path.suffix == ".csv"}
    if "corpus" in files:
        inputs["corpus"] = open_netcdf(files["corpus"])
    settings = FigureSettings(resolution=60)
    make_figure(name, inputs, settings, folder / "alone.png")
"""


def test_every_figure_is_made_from_its_files_alone(inputs: dict[str, Any], tmp_path: Path) -> None:
    # Another process; for each figure a folder that holds the files that the catalogue names for it, and nothing else.
    for name in STILL:
        entry = entry_of(name)
        (tmp_path / name).mkdir()
        if entry.corpus:
            write_netcdf(inputs["corpus"], tmp_path / name / "corpus.nc")
        if entry.posterior:
            inputs["posterior"].to_netcdf(tmp_path / name / "posterior.nc", engine="h5netcdf")
        for method in entry.predictions:
            write_netcdf(inputs["predictions"][method], tmp_path / name / f"{method}.nc")
        for table in entry.tables:
            inputs["tables"][table].to_csv(tmp_path / name / f"{table}.csv", index=False)
    # -P: a folder of the name of a package, as `coverage`, must not be imported as one.
    subprocess.run([sys.executable, "-P", "-c", ALONE, *STILL], check=True, cwd=tmp_path)
    for name in STILL:
        make_figure(name, inputs, SETTINGS, tmp_path / "here.png")
        with Image.open(tmp_path / name / "alone.png") as one, Image.open(tmp_path / "here.png") as other:
            difference = np.abs(np.asarray(one, dtype=int) - np.asarray(other, dtype=int))
        assert difference.mean() < 0.5, name


ANIMATIONS = ["gif", "mp4"] if shutil.which("ffmpeg") else ["gif"]


@pytest.fixture(scope="module")
def animations(inputs: dict[str, Any], tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("animations")
    make_figure("animation_1", inputs, SETTINGS, [folder / f"animation_1.{suffix}" for suffix in ANIMATIONS])
    return folder


def test_animation_has_a_frame_per_snapshot(inputs: dict[str, Any], animations: Path, tmp_path: Path) -> None:
    path = animations / "animation_1.gif"
    picture: Any
    with Image.open(path) as picture:
        assert picture.n_frames == 12
        assert json.loads(picture.info["comment"])["figure"] == "animation_1"
        first = np.asarray(picture.convert("RGB"), dtype=int)
        picture.seek(11)
        last = np.asarray(picture.convert("RGB"), dtype=int)
    assert np.abs(first - last).mean() > 0.5
    with pytest.raises(ValueError, match=r"ends in \.gif or \.mp4"):
        make_figure("animation_1", inputs, SETTINGS, tmp_path / "animation_1.png")


def test_missing_inputs_and_unknown_names_are_refused(inputs: dict[str, Any], tmp_path: Path) -> None:
    with pytest.raises(KeyError, match="no figure 'cover'"):
        make_figure("cover", inputs, SETTINGS, tmp_path / "x.png")
    with pytest.raises(KeyError, match="no figure 'examples'"):
        split_name("examples")
    with pytest.raises(KeyError, match=r"needs predictions\['lstm'\]"):
        make_figure(
            "error_time", {**inputs, "predictions": {"fnn": inputs["predictions"]["fnn"]}}, SETTINGS, tmp_path / "x.png"
        )
    with pytest.raises(KeyError, match="needs the corpus"):
        make_figure("coverage", {}, SETTINGS, tmp_path / "x.png")
    with pytest.raises(ValueError, match=r"\.png, \.pdf or \.svg"):
        make_figure("losses", inputs, SETTINGS, tmp_path / "x.bmp")
    assert not os.listdir(tmp_path)


def test_names_and_captions_of_the_catalogue() -> None:
    settings = Config(figures={"formats": ["png", "pdf"], "examples": 3})
    names = figure_names(settings)
    assert "examples_3" in names
    assert "learning_curve" not in names
    assert "learning_curve" in figure_names(CONFIG)
    files = file_names(settings)
    assert "animation_1.gif" in files
    assert {"coverage.png", "coverage.pdf"} <= set(files)
    assert len(files) == len(set(files))
    captions = Path(__file__).parents[1] / "workflow" / "report"
    for name in CATALOGUE:
        assert len((captions / f"{name}.rst").read_text().split()) > 30, f"{name}: a caption explains what is seen"
    assert entry_of("examples_2") is CATALOGUE["examples"]
    for entry in CATALOGUE.values():
        assert callable(entry.function())


def test_names_are_known_without_what_draws() -> None:
    # The workflow lists its figures at every start of Snakemake, twice more in every job on a cluster.
    program = "import sys, surrogate.figures.catalogue; print(*sys.modules)"
    loaded = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True).stdout.split()
    assert not {"matplotlib", "xarray", "scipy", "pandas"} & set(loaded)


def test_mp4_without_ffmpeg_says_what_to_do(
    inputs: dict[str, Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(ValueError, match=r"ffmpeg is not installed; choose \.gif"):
        make_figure("animation_1", inputs, SETTINGS, tmp_path / "animation_1.mp4")


@pytest.mark.skipif(shutil.which("ffmpeg") is None, reason="needs ffmpeg")
def test_mp4_shows_the_frames_of_the_gif(animations: Path) -> None:
    command = [
        "ffmpeg",
        "-loglevel",
        "error",
        "-i",
        str(animations / "animation_1.mp4"),
        "-f",
        "rawvideo",
        "-pix_fmt",
        "rgb24",
        "-",
    ]
    decoded = subprocess.run(command, capture_output=True, check=True).stdout
    picture: Any
    with Image.open(animations / "animation_1.gif") as picture:
        width, height = (side - side % 2 for side in picture.size)
        pictures = np.frombuffer(decoded, dtype=np.uint8).reshape(-1, height, width, 3).astype(int)
        assert len(pictures) == picture.n_frames == 12
        for number in (0, 11):
            picture.seek(number)
            frame = np.asarray(picture.convert("RGB"), dtype=int)[:height, :width]
            assert np.abs(frame - pictures[number]).mean() < 4.0
    described = subprocess.run(["ffmpeg", "-i", animations / "animation_1.mp4"], capture_output=True, text=True)
    assert '"figure": "animation_1"' in described.stderr


def test_one_drawing_gives_several_files(inputs: dict[str, Any], tmp_path: Path) -> None:
    files = [tmp_path / f"losses.{suffix}" for suffix in ("png", "pdf", "svg")]
    make_figure("losses", inputs, SETTINGS, files)
    assert sorted(os.listdir(tmp_path)) == ["losses.pdf", "losses.png", "losses.svg"]
    make_figure("losses", inputs, SETTINGS, tmp_path / "alone.pdf")
    assert (tmp_path / "alone.pdf").read_bytes() == files[1].read_bytes()


DOCUMENTATION = Path(__file__).parents[1] / "docs" / "figures.md"


@pytest.fixture(scope="module")
def measures(inputs: dict[str, Any]) -> dict[str, Any]:
    truth = select_split(inputs["corpus"], "test")
    return evaluate(truth, inputs["predictions"], settings=EvaluationSettings(singular_values=4))


def test_every_caption_tells_the_numbers_of_this_run(inputs: dict[str, Any], measures: dict[str, Any]) -> None:
    texts = captions(measures, inputs["tables"], CONFIG, inputs["posterior"])
    assert list(texts) == figure_names(CONFIG)
    for name, text in texts.items():
        assert re.search(r"\d", text), name
        for method in entry_of(name).predictions:
            assert title_of(method) in text, name
    methods = measures["methods"]
    said = texts["compression_curve"]
    assert "99.80 % at 37 times (6 latents) and 99.50 % at 112 times (2 latents) (autoencoder), " in said
    assert "98.80 % at 120 times (2 latents) (FNN, networks of the paper)" in said
    for name in ("pod_modes", "singular_values", "heat_flux"):
        first = texts[name].split("\n")[0]
        assert all(f"({title_of(method)})" in first for method in entry_of(name).predictions), name
    means = methods["lstm"]["accuracy_of_runs"]
    assert f"and {min(means):.2f} % (worst run " in texts["extremes"]
    assert f"{methods['lstm']['mean_square_error']['mean']:.2e} (LSTM)" in texts["error_time"]
    assert f"{100 * methods['fnn']['surface_heat_flux_error']['mean']:.1f} (FNN)" in texts["heat_flux"]
    assert f"{1.2 * np.exp(-20 / 6):.3g} in epoch 20 of 20 (autoencoder)" in texts["losses"]
    assert "0.003 (99.10 %) with 32 runs and 0.001 (99.30 %) with 128 runs (FNN)" in texts["learning_curve"]


def test_a_caption_speaks_of_the_run_that_is_drawn(
    inputs: dict[str, Any], measures: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    texts = captions(measures, inputs["tables"], CONFIG, inputs["posterior"])
    for number in (1, 2):
        figure = make(f"examples_{number}", inputs)
        title = figure.get_suptitle()
        assert texts[f"examples_{number}"].startswith(title)
        run = int(title.split(":")[0].removeprefix("Run "))
        position = measures["truth"]["simulation"].index(run)
        accuracy = measures["methods"]["fnn"]["accuracy_of_runs"][position]
        assert f"{accuracy:.2f} % (FNN)" in texts[f"examples_{number}"]


def test_captions_of_the_report_include_the_numbers(
    inputs: dict[str, Any], measures: dict[str, Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # As the report does it: Jinja first, then docutils, in the working directory.
    monkeypatch.chdir(tmp_path)
    (tmp_path / "captions").mkdir()
    texts = captions({**measures, "provenance": provenance()}, inputs["tables"], CONFIG, inputs["posterior"])
    for name, text in texts.items():
        (tmp_path / "captions" / f"{name}.rst").write_text(text)
        base = split_name(name).entry

        class Parameters(list[Any]):
            captions = "captions"

        job = SimpleNamespace(
            params=Parameters([{"figures": SETTINGS.model_dump()}]),
            wildcards=SimpleNamespace(example=name.removeprefix(base)),
        )
        template = (Path(__file__).parents[1] / "workflow/report" / f"{base}.rst").read_text()
        page = publish_parts(jinja2.Template(template).render(snakemake=job), writer="html")["body"]
        assert "problematic" not in page, name
        assert "system-message" not in page, name
        shown = " ".join(html.unescape(re.sub("<[^>]+>", "", page)).split())
        assert " ".join(text.split("\n")[0].split()) in shown, name
        assert "Made by surrogate" in shown
        assert "alone." in shown


def test_docs_name_every_figure_and_picture() -> None:
    text = DOCUMENTATION.read_text()
    for name, entry in CATALOGUE.items():
        assert f"`{name}{'_fnn' * entry.per_predictor}{'_1' * entry.per_example}`" in text
    for picture in re.findall(r"\]\((images/[^)]+)\)", text):
        assert (DOCUMENTATION.parent / picture).is_file(), picture


def test_docs_example_runs(inputs: dict[str, Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    example, _ = re.findall(r"```python\n(.*?)```", DOCUMENTATION.read_text(), re.DOTALL)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("surrogate.corpus.store.open_corpus", lambda path: inputs["corpus"])
    for method in ("fnn", "lstm"):
        write_netcdf(inputs["predictions"][method], f"results/default/predictions/{method}.nc")
    exec(example, {})
    assert (tmp_path / "error_time.pdf").stat().st_size > 1000


@pytest.fixture
def toy() -> Iterator[Method]:
    """A predictor that is registered while the program runs."""
    method = register(Method("toy", "toy network", "For a test.", "mean", "#123456", "nowhere:Toy"))
    yield method
    del METHODS["toy"]


def test_a_predictor_that_is_registered_appears_everywhere(inputs: dict[str, Any], toy: Method) -> None:
    truth = select_split(inputs["corpus"], "test")
    predictions = {**inputs["predictions"], "toy": disturbed(truth, 30.0, 9)}
    tables = {**inputs["tables"], "toy": losses(15)}
    given = {**inputs, "predictions": predictions, "tables": tables}
    found = evaluate(truth, predictions, settings=EvaluationSettings(singular_values=4))
    assert "toy network" in metrics_table(found).splitlines()[2]
    assert any("The toy network reaches" in sentence for sentence in conclusions(found))
    names = figure_names(CONFIG)
    assert "evolution_toy_2" in names
    texts = captions(found, tables, CONFIG, inputs["posterior"])
    for name in ("error_time", "error_maps", "examples_1", "evolution_toy_1", "accuracy_pairs", "extremes"):
        assert "toy network" in texts[name], name
    figure: Any = draw_figure("error_time", given, SETTINGS)
    assert len(figure.axes) == 3
    assert matplotlib.colors.to_hex(figure.axes[2].collections[0].get_facecolor()[0]) == toy.colour
    titles = [text.get_text() for text in draw_figure("accuracy_pairs", given, SETTINGS).legends[0].get_texts()]
    assert titles[2] == "toy network (on the diagonal alone)"
    assert len(draw_figure("losses", given, SETTINGS).axes) == 5
    drawn = draw_figure("evolution_toy_1", given, SETTINGS)
    assert drawn.get_suptitle().endswith("toy network")


def test_example_times_follow_the_corpus() -> None:
    assert np.allclose(example_times(SETTINGS, [4.5, 3.0]), [1.0, 2.0, 3.0, 4.5])
    assert np.allclose(example_times(SETTINGS, [0.09]), [0.02, 0.04, 0.06, 0.09])
    asked = Config(figures={"example_times": [1.0, 2.5]}).figures
    assert example_times(asked, [0.09]) == [1.0, 2.5]


def test_caption_of_accuracies_tells_only_what_the_ranks_show(inputs: dict[str, Any], measures: dict[str, Any]) -> None:
    told = json.loads(json.dumps(measures))
    for name, entries in {
        "fnn": {"reference_viscosity": {"coefficient": 0.1, "chance": 0.7}},
        "lstm": {"activation_energy": {"coefficient": -0.8, "chance": 1e-5}},
    }.items():
        told["methods"][name]["accuracy_correlation"] = entries
    text = captions(told, inputs["tables"], CONFIG, inputs["posterior"])["accuracy_pairs"]
    assert "No parameter alone orders the accuracy of the FNN" in text
    assert "the reference viscosity, +0.10" in text
    assert "The accuracy of the LSTM falls with the activation energy (-0.80)" in text
    report = Path(__file__).parents[1] / "workflow/report/accuracy_pairs.rst"
    assert "viscosity" not in report.read_text()


def test_the_report_opens_on_five_numbers_and_two_pictures(
    inputs: dict[str, Any], measures: dict[str, Any], tmp_path: Path
) -> None:
    pictures = {}
    for name in LANDING:
        pictures[name] = tmp_path / f"{name}.png"
        make_figure(name, inputs, SETTINGS, pictures[name])
    text = landing({**measures, "provenance": provenance()}, pictures, "tiny")
    page = publish_parts(text, writer="html")["html_body"]
    assert "system-message" not in page
    assert page.count("<li>") == 5
    assert page.count("src='data:image/png;base64,") == 2
    assert "<img" not in landing(measures, dict.fromkeys(LANDING, tmp_path / "x.pdf"))
    methods = measures["methods"]
    assert f"<strong>{methods['fnn']['relative_accuracy']['mean']:.2f} %</strong> (FNN)" in page
    assert f"<strong>{methods['lstm']['profile_error']['mean']:.1f} K</strong> (LSTM)" in page
    assert "Made by surrogate" in page
    opening = (Path(__file__).parents[1] / "workflow/report/workflow.rst").read_text()
    assert "captions/workflow.rst" in opening
