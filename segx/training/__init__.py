"""How the weights are learnt: Lightning modules, schedule, budget, checkpoints."""
