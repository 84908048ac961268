"""ivoa.obscore as a query over the image collections, and the text templates of its columns."""
