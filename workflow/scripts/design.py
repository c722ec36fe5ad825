from _job import start

if __name__ == "__main__":
    start(snakemake)
    from surrogate.config import DesignSettings
    from surrogate.corpus import make_design, write_design
    from surrogate.parameters import ParameterSpace

    settings = DesignSettings(**snakemake.params[0]["design"])
    write_design(make_design(settings, ParameterSpace.from_dict(snakemake.params.space)), snakemake.output[0])
