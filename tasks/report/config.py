"""What the report shows at most."""

from pydantic import Field

from lakebed.connectors.config import FrozenConfig

# name of the report in the run's folder
REPORT = "report.html"


class ReportConfig(FrozenConfig):
    """Caps that keep the file readable on lakes of any size; what they leave out is counted in the report."""

    max_drawn_nodes: int = Field(300, ge=1, le=2000, description="Nodes drawn in the containment graph.")
    max_drawn_links: int = Field(1500, ge=1, le=20_000, description="Edges drawn in the containment graph.")
    max_listed_edges: int = Field(2000, ge=1, le=100_000, description="Edges listed with their evidence.")
    max_near_misses: int = Field(2000, ge=0, le=100_000, description="Refuted pairs listed, the nearest first.")
    max_problems: int = Field(1000, ge=1, le=100_000, description="Unreadable and unstable tables listed, of each.")
    max_evidence_chars: int = Field(
        4000, ge=200, le=1_000_000, description="Characters of one certificate that are kept in the report."
    )
    lake_bytes: int = Field(
        0,
        ge=0,
        le=1 << 62,
        description="Bytes of the whole lake where what is read is a sample of it: money is told for these too, in "
        "proportion; 0 tells it for 1 TB.",
    )
