"""What a law is: its function, inputs, target, parameters, default priors, and the registry."""
