"""Fine-tuning whole networks on the support of an episode, for many episodes."""
