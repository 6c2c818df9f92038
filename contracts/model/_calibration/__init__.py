"""The calibrators beyond split CQR; `contracts.model.conformal` is their public face."""

# conformal defines the shared scores and ranks, then imports the members below this package. Importing it
# here first makes every order of import end alike.
import contracts.model.conformal  # noqa: F401
