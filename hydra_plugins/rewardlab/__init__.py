"""Hydra looks for plug-in classes in `hydra_plugins` only: ours live here, light to import."""
