from _job import start

if __name__ == "__main__":
    start(snakemake)
    import pandas as pd

    from surrogate.files import atomic

    with atomic(snakemake.output[0]) as temporary:
        pd.concat([pd.read_csv(path) for path in snakemake.input]).to_csv(temporary, index=False)
