import type { FigureName } from '../../sources/gpu/reading.ts';
import type { MetricDefinition } from '../definition.ts';

/** How a figure of a device is exported. */
export interface FigureColumn {
  readonly figure: FigureName;
  readonly name: MetricDefinition['name'];
  readonly type?: 'counter';
  readonly help: string;
}

/** One line a figure; its name and help are the contract with dashboards and rules. */
export const figureColumns: readonly FigureColumn[] = [
  {
    figure: 'utilizationRatio',
    name: 'gpuwarden_gpu_utilization_ratio',
    help: 'Share of the last moment (a sixth of a second to one second) in which a kernel ran. For work over time use rate(gpuwarden_gpu_busy_seconds_total).',
  },
  {
    figure: 'memoryBandwidthRatio',
    name: 'gpuwarden_gpu_memory_bandwidth_utilization_ratio',
    help: 'Share of the last moment in which device memory was read or written.',
  },
  {
    figure: 'encoderUtilizationRatio',
    name: 'gpuwarden_gpu_encoder_utilization_ratio',
    help: 'Share of the last moment in which the video encoder was busy.',
  },
  {
    figure: 'decoderUtilizationRatio',
    name: 'gpuwarden_gpu_decoder_utilization_ratio',
    help: 'Share of the last moment in which the video decoder was busy.',
  },
  { figure: 'memoryTotalBytes', name: 'gpuwarden_gpu_memory_total_bytes', help: 'Device memory.' },
  {
    figure: 'memoryUsedBytes',
    name: 'gpuwarden_gpu_memory_used_bytes',
    help: 'Device memory in use, without what the driver keeps for itself.',
  },
  {
    figure: 'memoryReservedBytes',
    name: 'gpuwarden_gpu_memory_reserved_bytes',
    help: 'Device memory that the driver keeps for itself.',
  },
  {
    figure: 'temperatureCelsius',
    name: 'gpuwarden_gpu_temperature_celsius',
    help: 'Temperature of the chip.',
  },
  {
    figure: 'memoryTemperatureCelsius',
    name: 'gpuwarden_gpu_memory_temperature_celsius',
    help: 'Temperature of the device memory.',
  },
  {
    figure: 'slowdownTemperatureCelsius',
    name: 'gpuwarden_gpu_slowdown_temperature_celsius',
    help: 'From which temperature of the chip on the hardware slows itself down.',
  },
  { figure: 'powerWatts', name: 'gpuwarden_gpu_power_watts', help: 'Power draw.' },
  { figure: 'powerLimitWatts', name: 'gpuwarden_gpu_power_limit_watts', help: 'Power limit in force.' },
  {
    figure: 'energyJoules',
    name: 'gpuwarden_gpu_energy_joules_total',
    type: 'counter',
    help: 'Energy used since the driver was loaded, as the hardware counts it.',
  },
  {
    figure: 'graphicsClockHertz',
    name: 'gpuwarden_gpu_graphics_clock_hertz',
    help: 'Clock of the graphics engine.',
  },
  {
    figure: 'smClockHertz',
    name: 'gpuwarden_gpu_sm_clock_hertz',
    help: 'Clock of the streaming multiprocessors.',
  },
  {
    figure: 'memoryClockHertz',
    name: 'gpuwarden_gpu_memory_clock_hertz',
    help: 'Clock of the device memory.',
  },
  { figure: 'videoClockHertz', name: 'gpuwarden_gpu_video_clock_hertz', help: 'Clock of the video engines.' },
  {
    figure: 'fanSpeedRatio',
    name: 'gpuwarden_gpu_fan_speed_ratio',
    help: "Speed that the fan is told to run at, of its maximum. Absent for cards that the server's fans cool.",
  },
  {
    figure: 'performanceState',
    name: 'gpuwarden_gpu_performance_state',
    help: 'Performance state, 0 (fastest) to 15.',
  },
  {
    figure: 'eccCorrectedErrors',
    name: 'gpuwarden_gpu_ecc_corrected_errors_total',
    type: 'counter',
    help: 'Memory errors that ECC corrected, over the life of the card.',
  },
  {
    figure: 'eccUncorrectedErrors',
    name: 'gpuwarden_gpu_ecc_uncorrected_errors_total',
    type: 'counter',
    help: 'Memory errors that ECC could not correct, over the life of the card.',
  },
  {
    figure: 'remappedRowsCorrectable',
    name: 'gpuwarden_gpu_remapped_rows_correctable',
    help: 'Memory rows that were replaced after corrected errors.',
  },
  {
    figure: 'remappedRowsUncorrectable',
    name: 'gpuwarden_gpu_remapped_rows_uncorrectable',
    help: 'Memory rows that were replaced after uncorrected errors.',
  },
  {
    figure: 'remappedRowsPending',
    name: 'gpuwarden_gpu_remapped_rows_pending',
    help: 'Whether a memory row waits for a reset of the GPU to be replaced (1).',
  },
  {
    figure: 'remappedRowsFailed',
    name: 'gpuwarden_gpu_remapped_rows_failed',
    help: 'Whether a memory row could not be replaced (1): the card is to be exchanged.',
  },
  {
    figure: 'pcieGeneration',
    name: 'gpuwarden_gpu_pcie_generation',
    help: 'PCIe generation of the link now.',
  },
  {
    figure: 'pcieGenerationMax',
    name: 'gpuwarden_gpu_pcie_generation_max',
    help: 'Highest PCIe generation that card and slot have in common.',
  },
  { figure: 'pcieWidth', name: 'gpuwarden_gpu_pcie_lanes', help: 'PCIe lanes of the link now.' },
  {
    figure: 'pcieWidthMax',
    name: 'gpuwarden_gpu_pcie_lanes_max',
    help: 'Most PCIe lanes that card and slot have in common.',
  },
  {
    figure: 'pcieReplays',
    name: 'gpuwarden_gpu_pcie_replays_total',
    type: 'counter',
    help: 'PCIe packets that had to be sent again.',
  },
  {
    figure: 'pcieReceiveBytes',
    name: 'gpuwarden_gpu_pcie_receive_bytes_total',
    type: 'counter',
    help: 'Bytes that the GPU received over PCIe.',
  },
  {
    figure: 'pcieTransmitBytes',
    name: 'gpuwarden_gpu_pcie_transmit_bytes_total',
    type: 'counter',
    help: 'Bytes that the GPU sent over PCIe.',
  },
  {
    figure: 'nvlinkReceiveBytes',
    name: 'gpuwarden_gpu_nvlink_receive_bytes_total',
    type: 'counter',
    help: 'Bytes that the GPU received over all of its NVLinks.',
  },
  {
    figure: 'nvlinkTransmitBytes',
    name: 'gpuwarden_gpu_nvlink_transmit_bytes_total',
    type: 'counter',
    help: 'Bytes that the GPU sent over all of its NVLinks.',
  },
  {
    figure: 'recoveryAction',
    name: 'gpuwarden_gpu_recovery_action',
    help: 'What the driver asks for to make the GPU usable again: 0 nothing, 1 reset it, 2 reboot, 3 stop all peer-to-peer work, 4 stop work and reset.',
  },
];
