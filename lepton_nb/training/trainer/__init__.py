"""What happens in the trainer's process? Its modules import torch: import them where they are used."""
