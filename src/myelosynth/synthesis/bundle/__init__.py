"""A trained system in one folder, for patients without PET: made, checked, held against their images, applied."""
