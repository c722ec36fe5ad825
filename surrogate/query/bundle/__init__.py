"""The bundle: a folder, or one zip file of it, that holds a trained surrogate and everything an answer needs."""
