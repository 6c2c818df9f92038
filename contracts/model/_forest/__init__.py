"""The machinery behind `contracts.model.forest`: arrays, packing, the file, the compiled walk."""
