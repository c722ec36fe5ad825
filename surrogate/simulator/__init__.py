"""The forward model: convection in the mantle of a planet that cools."""
