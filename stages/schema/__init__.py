"""The schema of params.yaml: what each section must hold. `stages.params` puts them together."""
