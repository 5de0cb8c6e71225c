"""decompose: a weight tensor as the best mixture of M basis kernels (uncentred SVD)."""

import numpy as np

from escalate.errors import DecompositionError
from escalate.ternary.basis import DecomposedLayer, check_array


def decompose(
    name: str, weights: np.ndarray, basis_size: int, importance: np.ndarray | None = None
) -> DecomposedLayer:
    """Split weights into M orthonormal basis kernels and their mixing coefficients.

    The weights are read as a matrix of shape (K*C/groups, R*S), one row per kernel; its first M
    right singular vectors are the basis.  This is the best approximation of that rank: the squared
    error equals the sum of the dropped squared singular values.  The sign of each basis kernel is
    settled by making its element of largest magnitude positive.

    Parameters
    ----------
    name : the layer, for messages
    weights : float32, shape (K, C/groups, R, S), batch norm folded
    basis_size : M, in 1..R*S
    importance : float >= 0, shape (K, C/groups), the weight of each kernel's squared error;
        None for 1

    Raises
    ------
    DecompositionError
        If the weights are no finite float32 array of four dimensions or M is out of range.

    Notes
    -----
    Derived (not read in the paper).  PENNI (arXiv 2005.07133) centres the rows and then drops the
    mean kernel, which leaves an error that M = R*S does not cure; so nothing is centred here.

    Examples
    --------
    >>> layer = decompose("conv1", np.ones((4, 2, 3, 3), np.float32), 1)
    >>> layer.basis.shape, layer.coefficients.shape, bool(np.allclose(layer.reconstruct(), 1))
    ((1, 3, 3), (4, 2, 1), True)
    """
    check_array(name, "weights", weights, 4)
    K, channels, R, S = weights.shape
    if not 1 <= basis_size <= R * S:
        raise DecompositionError(f"{name}: M is {basis_size}, wanted 1..{R * S}")
    rows = weights.reshape(K * channels, R * S).astype(np.float64)
    reach = 1.0 if importance is None else np.sqrt(importance).reshape(-1, 1)
    basis = _right_singular_vectors(rows * reach)[:basis_size]
    strongest = np.abs(basis).argmax(axis=1)
    basis = basis * np.where(basis[np.arange(basis_size), strongest] < 0, -1.0, 1.0)[:, None]
    return DecomposedLayer(
        name,
        basis.reshape(basis_size, R, S).astype(np.float32),
        (rows @ basis.T).reshape(K, channels, basis_size).astype(np.float32),
    )


def dropped_energy(weights: np.ndarray) -> np.ndarray:
    """Squared error of the best M = 1 .. R*S kernels, as shares of the weights' squared sum.

    Parameters
    ----------
    weights : float, shape (K, C/groups, R, S)

    Returns
    -------
    float64, shape (R*S,); 0 for weights that are all zero

    Examples
    --------
    >>> dropped_energy(np.array([[[[3.0, 0.0]], [[0.0, 4.0]]]])).round(2).tolist()
    [0.36, 0.0]
    """
    K, channels, R, S = weights.shape
    rows = weights.reshape(K * channels, R * S).astype(np.float64)
    energies = np.zeros(R * S)
    found = np.linalg.svd(np.linalg.qr(rows, mode="r"), compute_uv=False) ** 2
    energies[: found.size] = found
    total = energies.sum()
    shares: np.ndarray = np.maximum(1.0 - np.cumsum(energies) / (total or 1.0), 0.0)
    shares[-1] = 0.0
    return shares if total > 0 else np.zeros(R * S)


def _right_singular_vectors(rows: np.ndarray) -> np.ndarray:
    """All R*S right singular vectors as rows, also of a matrix with fewer rows than that.

    Rows beyond R*S are first replaced by their triangular factor, which has the same singular
    values and vectors; that of a large layer takes a fraction of the time.
    """
    if rows.shape[0] > rows.shape[1]:
        rows = np.asarray(np.linalg.qr(rows, mode="r"))
    vectors: np.ndarray = np.linalg.svd(rows, full_matrices=True)[2]
    return vectors
