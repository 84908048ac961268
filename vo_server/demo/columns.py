"""The columns of the two catalogues in the order of the bulk files: name, type, decimals, and whether nulls may occur.

The point source catalogue is a list. The columns of the extended source catalogue repeat for each band and aperture, so
they are generated from these families.
"""

from dataclasses import dataclass
from typing import Literal

import pyarrow as pa

Kind = Literal["double", "float", "int16", "int32", "text", "date"]

BANDS = ("j", "h", "k")
CIRCLE_RADII_ARCSEC = (5, 7, 10, 15, 20, 25, 30, 40, 50, 60, 70)
"""Radii in arcsec of the fixed apertures of the extended source catalogue."""

SCORES = ("mxdn", "sh", "wsh", "r23", "1mm", "2mm", "vint", "r1", "msh")
"""The star-galaxy scores of each band."""

ARROW_TYPES: dict[Kind, pa.DataType] = {
    "double": pa.float64(),
    "float": pa.float32(),
    "int16": pa.int16(),
    "int32": pa.int32(),
    "text": pa.string(),
    "date": pa.date32(),
}


@dataclass(frozen=True)
class DemoColumn:
    """A column of a bulk file; `decimals` is the maximum of its numbers, `width` the characters of its texts."""

    name: str
    kind: Kind
    decimals: int = 0
    width: int = 0
    nullable: bool = False

    @property
    def field(self) -> pa.Field:
        """The column as an Arrow field."""
        return pa.field(self.name, ARROW_TYPES[self.kind], nullable=self.nullable)


def _make_columns(kind: Kind, decimals: int, names: str, nullable: bool = True) -> list[DemoColumn]:
    return [DemoColumn(name, kind, decimals, nullable=nullable) for name in names.split()]


def _make_texts(nullable: bool = False, **widths: int) -> list[DemoColumn]:
    return [DemoColumn(name, "text", width=width, nullable=nullable) for name, width in widths.items()]


def _make_for_bands(*parts: tuple[str, Kind, int]) -> list[DemoColumn]:
    return [DemoColumn(f"{b}_{name}", kind, d, nullable=True) for b in BANDS for name, kind, d in parts]


PSC_COLUMNS: tuple[DemoColumn, ...] = (
    *_make_columns("double", 6, "ra decl", False),
    *_make_columns("float", 2, "err_maj err_min", False),
    *_make_columns("int16", 0, "err_ang", False),
    *_make_texts(designation=17),
    *_make_for_bands(("m", "float", 3), ("cmsig", "float", 3), ("msigcom", "float", 3), ("snr", "float", 1)),
    *_make_texts(ph_qual=3, rd_flg=3, bl_flg=3, cc_flg=3, ndet=6),
    *_make_columns("float", 1, "prox", False),
    *_make_columns("int16", 0, "pxpa"),
    *_make_columns("int32", 0, "pxcntr", False),
    *_make_columns("int16", 0, "gal_contam mp_flg", False),
    *_make_columns("int32", 0, "pts_key", False),
    *_make_texts(hemis=1),
    DemoColumn("date", "date", width=10),
    *_make_columns("int16", 0, "scan", False),
    *_make_columns("float", 3, "glon glat", False),
    *_make_columns("float", 1, "x_scan", False),
    *_make_columns("double", 4, "jdate", False),
    *_make_for_bands(("psfchi", "float", 2)),
    *_make_for_bands(("m_stdap", "float", 3), ("msig_stdap", "float", 3)),
    *_make_columns("int32", 0, "dist_edge_ns dist_edge_ew", False),
    *_make_texts(dist_edge_flg=2),
    *_make_columns("int16", 0, "dup_src use_src", False),
    *_make_texts(a=1),
    *_make_columns("float", 1, "dist_opt"),
    *_make_columns("int16", 0, "phi_opt"),
    *_make_columns("float", 2, "b_m_opt vr_m_opt"),
    *_make_columns("int16", 0, "nopt_mchs", False),
    *_make_columns("int32", 0, "ext_key"),
    *_make_columns("int32", 0, "scan_key coadd_key", False),
    *_make_columns("int16", 0, "coadd", False),
)


def _make_aperture(suffix: str) -> list[DemoColumn]:
    """Return the photometry columns of one aperture for all bands."""
    return _make_for_bands((f"m_{suffix}", "float", 3), (f"msig_{suffix}", "float", 3), (f"flg_{suffix}", "int16", 0))


def _make_shared_aperture(suffix: str) -> list[DemoColumn]:
    return [*_make_columns("float", 1, f"r_{suffix}"), *_make_aperture(suffix)]


def _make_band_apertures(suffix: str) -> list[DemoColumn]:
    """Return the photometry columns of an aperture that differs from band to band."""
    return _make_for_bands(
        (f"r_{suffix}", "float", 1),
        (f"m_{suffix}", "float", 3),
        (f"msig_{suffix}", "float", 3),
        (f"flg_{suffix}", "int16", 0),
    )


XSC_COLUMNS: tuple[DemoColumn, ...] = (
    *_make_columns("double", 4, "jdate", False),
    *_make_texts(designation=17),
    *_make_columns("double", 6, "ra decl", False),
    *_make_columns("double", 6, "sup_ra sup_dec"),
    *_make_columns("float", 3, "glon glat", False),
    *_make_columns("float", 2, "density"),
    *_make_shared_aperture("k20fe"),
    *_make_columns("float", 1, "r_3sig"),
    *_make_for_bands(("ba", "float", 3), ("phi", "int16", 0)),
    *_make_columns("float", 1, "sup_r_3sig"),
    *_make_columns("float", 3, "sup_ba"),
    *_make_columns("int16", 0, "sup_phi"),
    *_make_shared_aperture("fe"),
    *_make_columns("float", 2, "r_ext"),
    *_make_for_bands(("m_ext", "float", 3), ("msig_ext", "float", 3), ("pchi", "float", 3)),
    *_make_for_bands(("r_eff", "float", 2), ("mnsurfb_eff", "float", 2)),
    *_make_for_bands(("con_indx", "float", 2)),
    *_make_for_bands(("peak", "float", 2)),
    *_make_for_bands(("5surf", "float", 2)),
    *_make_columns("float", 2, "e_score g_score"),
    *_make_columns("int16", 0, "vc"),
    *_make_texts(cc_flg=1),
    *_make_columns("int16", 0, "im_nx"),
    *_make_shared_aperture("k20fc"),
    *_make_band_apertures("e"),
    *_make_band_apertures("c"),
    *_make_shared_aperture("fc"),
    *_make_band_apertures("i20e"),
    *_make_band_apertures("i20c"),
    *_make_band_apertures("i21e"),
    *_make_shared_aperture("j21fe"),
    *_make_band_apertures("i21c"),
    *_make_shared_aperture("j21fc"),
    *(column for radius in CIRCLE_RADII_ARCSEC for column in _make_aperture(str(radius))),
    *_make_for_bands(("m_sys", "float", 3), ("msig_sys", "float", 3)),
    *_make_columns("int16", 0, "sys_flg contam_flg"),
    *_make_for_bands(("5sig_ba", "float", 3), ("5sig_phi", "int16", 0)),
    *_make_for_bands(("d_area", "int16", 0), ("perc_darea", "int16", 0)),
    *_make_for_bands(("bisym_rat", "float", 3), ("bisym_chi", "float", 3)),
    *_make_for_bands(("sh0", "float", 2), ("sig_sh0", "float", 2)),
    *_make_for_bands(*((f"sc_{score}", "float", 1) for score in SCORES)),
    *_make_columns("float", 1, "j_chif_ellf k_chif_ellf"),
    *_make_columns("int16", 0, "ellfit_flg"),
    *_make_columns("float", 1, "sup_chif_ellf"),
    *_make_columns("int16", 0, "n_blank n_sub bl_sub_flg id_flg"),
    *_make_texts(True, id_cat=20, fg_flg=6),
    *_make_columns("int16", 0, "blk_fac"),
    *_make_columns("int16", 0, "dup_src use_src", False),
    *_make_columns("float", 1, "prox"),
    *_make_columns("int16", 0, "pxpa"),
    *_make_columns("int32", 0, "pxcntr dist_edge_ns"),
    *_make_columns("int16", 0, "dist_edge_ew"),
    *_make_texts(True, dist_edge_flg=2),
    *_make_columns("int32", 0, "pts_key mp_key"),
    *_make_columns("int16", 0, "night_key", False),
    *_make_columns("int32", 0, "scan_key coadd_key", False),
    *_make_texts(hemis=1),
    DemoColumn("date", "date", width=10),
    *_make_columns("int16", 0, "scan coadd", False),
    *_make_columns("int32", 0, "id", False),
    *_make_columns("float", 1, "x_coadd y_coadd"),
    *_make_for_bands(("subst2", "float", 1)),
    *_make_for_bands(("back", "float", 1)),
    *_make_for_bands(("resid_ann", "float", 3)),
    *_make_for_bands(("bndg_per", "int32", 0), ("bndg_amp", "float", 3)),
    *_make_for_bands(("seetrack", "float", 1)),
    *_make_columns("int32", 0, "ext_key", False),
)

PSC_SCHEMA = pa.schema([column.field for column in PSC_COLUMNS])
XSC_SCHEMA = pa.schema([column.field for column in XSC_COLUMNS])
