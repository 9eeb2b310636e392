"""The schema of the parameters: what each section must hold. `stages.params` puts them together."""
