from _job import start

if __name__ == "__main__":
    start(snakemake)
    from surrogate.config import parse
    from surrogate.corpus import make_design, write_design

    config = parse(snakemake.params[0])
    write_design(make_design(config.design, config.make_space()), snakemake.output[0])
