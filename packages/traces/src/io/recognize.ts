export type IoLogKind = 'collector' | 'stock';

/**
 * Which of the two logs begins like this: the collector's patch adds `pmask` and `level` to the look-ups; a stock QEMU says
 * `vtd_dmar_translate` or `amdvi_` instead, Linux's tracepoints `map: IOMMU:`. Undefined when nothing tells.
 */
export function recognizeIoLog(head: Uint8Array): IoLogKind | undefined {
  const text = new TextDecoder('latin1').decode(head);
  if (/vtd_iotlb_page_hit .*pmask 0x|vtd_iotlb_page_update .*level 0x|vtd_slpte_fetch/.test(text)) return 'collector';
  if (/vtd_dmar_translate|amdvi_|vtd_inv_desc|vtd_iotlb_page_hit|vtd_switch_address_space|map: +IOMMU: /.test(text))
    return 'stock';
  return undefined;
}
