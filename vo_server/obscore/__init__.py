"""ivoa.obscore as a query over the image collections, and the text templates that its columns are made of."""
