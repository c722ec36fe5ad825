from _job import start

if __name__ == "__main__":
    start(snakemake)
    from glob import glob

    import pandas as pd

    from surrogate.files import atomic

    files = sorted(glob(snakemake.params[0]["source"]["files"], recursive=True))
    table = pd.DataFrame({"simulation": range(len(files)), "file": files, "status": "done", "reason": ""})
    with atomic(snakemake.output[0]) as temporary:
        table.to_csv(temporary, index=False)
    print(f"{len(files)} raw runs")
