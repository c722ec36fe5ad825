from _job import start

if __name__ == "__main__":
    start(snakemake)
    import pandas as pd

    from surrogate.files import atomic

    parts = [pd.concat([pd.read_csv(path) for path in snakemake.input.points]).assign(run="this run")]
    for title, path in zip(snakemake.params.titles, snakemake.input.beside, strict=True):
        table = pd.read_csv(path)
        parts.append(table[table.run == "this run"].assign(run=title))
    with atomic(snakemake.output[0]) as temporary:
        pd.concat(parts).to_csv(temporary, index=False)
