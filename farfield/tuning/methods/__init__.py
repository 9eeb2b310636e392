"""The fine-tuning methods, a file each; `farfield.tuning.registry` names them."""
