"""Write the generated pages of the reference anew."""

from tests.docs.pages import ROOT
from tests.docs.references import GENERATED

for name, made in GENERATED.items():
    (ROOT / name).write_text(made())
