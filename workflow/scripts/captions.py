from _job import start

if __name__ == "__main__":
    start(snakemake)
    from pathlib import Path

    import pandas as pd
    import xarray as xr

    from surrogate.config import Config
    from surrogate.files import atomic, read_json
    from surrogate.report import captions, landing

    metrics = read_json(snakemake.input.metrics)
    tables = {Path(path).parent.name: pd.read_csv(path) for path in snakemake.input.tables}
    inverted = snakemake.input.get("posterior")
    posterior = xr.load_dataset(inverted, engine="h5netcdf") if inverted else None
    texts = captions(metrics, tables, Config(**snakemake.params[0]), posterior)
    pictures = {Path(path).stem: path for path in snakemake.input.pictures}
    texts["workflow"] = landing(metrics, pictures, snakemake.params.name)
    with atomic(snakemake.output[0]) as folder:
        folder.mkdir()
        for name, text in texts.items():
            (folder / f"{name}.rst").write_text(text, encoding="utf-8")
