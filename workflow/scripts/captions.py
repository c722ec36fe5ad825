from _job import start

if __name__ == "__main__":
    start(snakemake)
    from pathlib import Path

    import pandas as pd

    from surrogate.config import Config
    from surrogate.files import atomic, read_json
    from surrogate.report import captions, landing

    metrics = read_json(snakemake.input.metrics)
    tables = {Path(path).parent.name: pd.read_csv(path) for path in snakemake.input.tables}
    texts = captions(metrics, tables, Config(**snakemake.params[0]))
    pictures = {Path(path).stem: path for path in snakemake.input.pictures}
    texts["workflow"] = landing(metrics, pictures, snakemake.params.name)
    with atomic(snakemake.output[0]) as folder:
        folder.mkdir()
        for name, text in texts.items():
            (folder / f"{name}.rst").write_text(text, encoding="utf-8")
