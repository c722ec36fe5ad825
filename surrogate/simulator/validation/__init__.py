"""What the simulator is measured against: exact solutions, published benchmarks, runs of another code."""
