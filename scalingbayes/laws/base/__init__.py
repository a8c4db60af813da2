"""The parts of a law: function, inputs, target, parameters, priors; and the registry of laws."""
