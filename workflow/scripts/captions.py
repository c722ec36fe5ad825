from _job import start

if __name__ == "__main__":
    start(snakemake)
    from pathlib import Path

    import pandas as pd

    from surrogate.config import Config
    from surrogate.figures.captions import captions
    from surrogate.files import atomic, read_json

    texts = captions(
        read_json(snakemake.input.metrics),
        {Path(path).parent.name: pd.read_csv(path) for path in snakemake.input.tables},
        Config(**snakemake.params[0]),
    )
    with atomic(snakemake.output[0]) as folder:
        folder.mkdir()
        for name, text in texts.items():
            (folder / f"{name}.rst").write_text(text, encoding="utf-8")
