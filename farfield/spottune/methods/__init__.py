"""The fine-tuning methods, a file each; `farfield.spottune.registry` names them."""
