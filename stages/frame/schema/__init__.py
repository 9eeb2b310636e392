"""The schema of the parameters: what each section must hold. `stages.frame.params` puts them together."""
