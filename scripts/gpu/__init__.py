"""Stages of scripts/gpu_check, what they measure with, and PyTorch beside them."""
