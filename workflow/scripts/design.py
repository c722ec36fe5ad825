from _job import start

if __name__ == "__main__":
    start(snakemake)
    from surrogate.config import DesignSettings
    from surrogate.corpus import make_design, write_design

    settings = DesignSettings(**snakemake.params[0]["design"])
    write_design(make_design(settings), snakemake.output[0])
