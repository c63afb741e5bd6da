/* What a scenario can say of a GPU or a MIG instance as one number each. The names stand in the scenario's file. */
#ifndef FIGURES_H
#define FIGURES_H

#define FIGURES(X) \
    X(minorNumber) \
    X(architecture) \
    X(computeCapabilityMajor) \
    X(computeCapabilityMinor) \
    X(memoryTotalBytes) \
    X(memoryUsedBytes) \
    X(memoryReservedBytes) \
    X(bar1TotalBytes) \
    X(bar1UsedBytes) \
    X(utilizationGpuPercent) \
    X(utilizationMemoryPercent) \
    X(utilizationEncoderPercent) \
    X(utilizationDecoderPercent) \
    X(temperatureCelsius) \
    X(memoryTemperatureCelsius) \
    X(thresholdShutdownCelsius) \
    X(thresholdSlowdownCelsius) \
    X(thresholdMemoryMaxCelsius) \
    X(thresholdGpuMaxCelsius) \
    X(powerMilliwatts) \
    X(powerLimitMilliwatts) \
    X(powerManagementLimitMilliwatts) \
    X(energyMillijoules) \
    X(clockGraphicsMegahertz) \
    X(clockSmMegahertz) \
    X(clockMemoryMegahertz) \
    X(clockVideoMegahertz) \
    X(maxClockGraphicsMegahertz) \
    X(maxClockSmMegahertz) \
    X(maxClockMemoryMegahertz) \
    X(maxClockVideoMegahertz) \
    X(fanSpeedPercent) \
    X(performanceState) \
    X(computeMode) \
    X(persistenceMode) \
    X(clocksEventReasons) \
    X(eccMode) \
    X(eccModePending) \
    X(eccCorrectedVolatile) \
    X(eccUncorrectedVolatile) \
    X(eccCorrectedAggregate) \
    X(eccUncorrectedAggregate) \
    X(remappedCorrectable) \
    X(remappedUncorrectable) \
    X(remappedPending) \
    X(remappedFailure) \
    X(remapBanksMax) \
    X(remapBanksHigh) \
    X(remapBanksPartial) \
    X(remapBanksLow) \
    X(remapBanksNone) \
    X(retiredPagesPending) \
    X(pcieGeneration) \
    X(pcieGenerationMax) \
    X(pcieWidth) \
    X(pcieWidthMax) \
    X(pcieReplays) \
    X(pcieTransmitKilobytesPerSecond) \
    X(pcieReceiveKilobytesPerSecond) \
    X(pcieTransmitBytes) \
    X(pcieReceiveBytes) \
    X(nvlinkLinks) \
    X(nvlinkErrors) \
    X(nvlinkTransmitKibibytes) \
    X(nvlinkReceiveKibibytes) \
    X(recoveryAction) \
    X(supportedEvents) \
    X(processLists) \
    X(processUtilization)

#define FIGURE_ENTRY(name) FIGURE_##name,
enum figure_id { FIGURES(FIGURE_ENTRY) FIGURE_COUNT };

#endif
